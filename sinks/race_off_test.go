//go:build !race

package sinks_test

// raced says that the race detector is on.
const raced = false
