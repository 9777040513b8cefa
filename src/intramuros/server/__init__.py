"""The listening server: the guard around every door, what is mounted where, and the socket."""
