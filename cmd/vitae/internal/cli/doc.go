// Package cli is the vitae command: its tree of sub-commands, what they print, and what
// they exit with.
//
// Data goes to stdout, everything else to stderr, so a pipe sees data only. -o says how
// data looks: table for people, json for one document, jsonl for one object a line; json
// and jsonl show what the server sent without its envelope, and may gain members but never
// lose one. A command that changes something takes --dry-run, which the server decides; one
// that takes something away asks first, and needs --yes where nobody can be asked. Ctrl-C
// ends a command; a second one ends it at once.
//
// The exit codes are in exit.go, and nowhere else.
package cli
