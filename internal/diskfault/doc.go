// Package diskfault runs a program under ptrace and decides, one by one, what
// becomes of the system calls by which it changes files: the disk is full, the
// disk is broken, or the program dies there. Unlike a fault that the program
// plants in itself it also reaches what libraries do, such as SQLite. Calls are
// counted over all threads of the program, so that the n-th one is the n-th;
// strace counts per thread, and a Go program changes threads as it likes.
//
// It is for tests only, on Linux on amd64.
package diskfault
