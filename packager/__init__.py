"""Media in, CMAF out: probing, encoding, cutting, manifests. Knows no HTTP, no S3, no database."""
