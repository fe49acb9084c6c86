"""From the tree of one SELECT to an algebra plan: what its names mean; or a refusal that says where and why."""
