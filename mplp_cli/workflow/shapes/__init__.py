"""What is known of a value before there is one."""
