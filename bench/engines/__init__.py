"""The places where jobs run: this process, worker processes, a cluster."""
