// Package engine gives the rest of the program a JetStream: a nats-server embedded in
// this process, or a connection to an external cluster.
//
// The embedded server has no TCP listener unless Options.Listen asks for one; the
// program talks to it over an in-process pipe. It syncs every write to disk before it
// acknowledges it. Its data folder belongs to one process at a time: a lock on the file
// "lock" in it, held by the kernel, says so, and is gone when the process is gone,
// however it ended.
//
// With Options.Listen others may connect, as subscribers, from Engine.Listen on: they are shown to
// Options.Authorize, live in an account of their own, and see of JetStream nothing but
// reading the one stream Options.Feed. See listen.go for how that is kept.
//
// An external cluster must accept messages of at least MinPayload bytes and have
// JetStream. How it syncs cannot be asked over the wire: configure it with
// "sync_interval: always".
//
// A Lease says who of several processes does a job. It is kept by compare-and-set in a
// key-value bucket, and it never compares the clocks of two machines.
//
// The package keeps no data of its own, and reads none.
package engine
