"""What runs inside the sandbox. Standard library only: the sandbox sees no other file of ours."""
