"""From the text of one SELECT, in RisingWave's dialect, to an algebra plan; or a refusal that says where and why."""
