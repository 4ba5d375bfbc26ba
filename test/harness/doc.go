// Package harness runs the real binary for the black box tests: it builds it once, starts
// servers and stand-in providers on free loopback ports and in folders of their own, kills
// and restarts them, and speaks to them as users do, over HTTP and by the command line.
//
// It knows nothing of the program but what the API contract promises: routes, flags, exit
// codes, and that a server told to log JSON writes a line with msg "listening" and the
// attribute addr. Oracle is a fold of a profile's history as the API shows it, written
// anew on purpose: it shares no code with the program that it judges.
//
// Everything that a test starts is gone when the test is over.
package harness
