"""The benchmark's harness: studies are expanded to jobs, jobs give records, reports show them."""
