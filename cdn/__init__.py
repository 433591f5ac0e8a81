"""Everything beyond the origin: cache policy, object storage, publishing, edges."""
