// Package config is the server's configuration: what can be set, what each value means,
// and where it came from.
//
// A value is looked for in four places, and the first one that has it wins: a flag, the
// environment (VITAE_ and the key in capitals, nested keys joined with "_":
// VITAE_SINKS_MOKARU_BASE_URL), the file named by --config or VITAE_CONFIG, the default.
// A variable that is set but empty counts as not set.
//
// Nothing is guessed and nothing is passed over: a key that does not exist, in the file or
// in the environment, is an error, and so is every wrong value. Load names them all at
// once, each by its key and the place it came from. Keys and passwords are Secret: they
// print as a fingerprint, never as themselves.
package config
