package main

import "syscall"

// errInUse says that somebody else has a port.
const errInUse = syscall.EADDRINUSE
