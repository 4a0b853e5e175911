"""What tests share: small networks, data, records, plugins, and slow dense oracles."""
