//go:build race

package main

// raced says that the tests are built with the race detector; the client is
// then too.
const raced = true
