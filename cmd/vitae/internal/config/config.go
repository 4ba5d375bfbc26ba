package config

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"
)

// Config is everything the server can be told. It is made by Load, checked as a whole,
// and not changed afterwards. docs/configuration.md says the same for operators.
type Config struct {
	// Listen is the address of the HTTP API and the console, host:port. Port 0 takes a
	// free one.
	Listen string
	// Data is the folder of the embedded engine, of the projections and of the keys that
	// are made at first start. It is created when missing.
	Data string
	// NATS lists the servers of an external cluster, separated by commas. Empty: the
	// embedded engine in Data.
	NATS string
	// NATSListen is where the embedded engine takes subscribers' connections. Empty: it
	// has no socket.
	NATSListen string
	// NATSTLSCert and NATSTLSKey are the files of the certificate and the key of NATSListen,
	// in PEM. Both or none.
	NATSTLSCert, NATSTLSKey string
	// NATSPlain lets NATSListen be another address than loopback without TLS.
	NATSPlain bool
	// Replicas is the number of copies of every stream: 1 for the embedded engine.
	Replicas int

	// AdminKey is the key with every scope, from VITAE_ADMIN_KEY or read from
	// admin_key_file. Empty: the server makes one in Data/admin.key at first start.
	AdminKey Secret
	// MasterKey wraps the profiles' keys: the base64 text of 32 bytes, from
	// VITAE_MASTER_KEY or read from master_key_file. Empty: the server makes one in
	// Data/master.key.
	MasterKey Secret

	// AllowPrivateWebhooks lets webhooks go to loopback and private addresses.
	AllowPrivateWebhooks bool
	// ChangesKeep is how long the feed of changes keeps its events.
	ChangesKeep time.Duration
	// RateLimit bounds what one API key may do.
	RateLimit RateLimit
	// AccessKeep is how long it is kept who read what of a profile; 0 is for ever.
	AccessKeep time.Duration
	// Witnesses are the verifier keys of those whose cosignatures the transparency log takes.
	Witnesses []string
	// Sinks has an entry for each provider that edits are delivered to; Providers gives
	// an order. With Sandbox it has all of them.
	Sinks map[string]Sink

	// Sandbox starts the stand-in providers and points every sink at them. Only the flag --sandbox sets it.
	Sandbox bool
	// SandboxListen is the address of the stand-in providers, host:port on loopback. Only
	// the flag --sandbox-listen sets it.
	SandboxListen string

	entries []Entry
}

// RateLimit is in requests a minute for each API key; 0 is no limit.
type RateLimit struct {
	Write int // 20: as Mokaru documents
	Read  int
}

// Sink says how one provider is delivered to.
type Sink struct {
	// BaseURL replaces the origin of the provider's documented URL; the documented path
	// follows it. It has no "/" at its end. With Config.Sandbox it is empty: the server
	// puts the stand-in's address there.
	BaseURL string
	// RequestsPerMinute is the most that is sent with one credential; 0 is no limit.
	RequestsPerMinute int
	// RequestsPerDay is the most calls with one credential in a day of UTC; 0 is no limit.
	RequestsPerDay int
	// Timeout bounds one call, from its first byte sent to its last byte read.
	Timeout time.Duration
	// Settle is how long to wait after a call of unknown outcome before the provider is
	// asked what it has: a late request may still land.
	Settle time.Duration
	// MaxAttempts is how often one edit is tried before it is parked.
	MaxAttempts int
	// Paused starts the sink paused: edits wait, nothing is sent.
	Paused bool
}

// Providers are the names that [sinks.NAME] can have, in the order they are shown.
func Providers() []string {
	return []string{"mokaru", "postpress", "linkedin", "nexudus", "jarvi"}
}

// Entry is one key of the configuration as Load found it.
type Entry struct {
	Key    string `json:"key"`
	Value  string `json:"value"`  // as it would be typed; a secret as its fingerprint
	Origin string `json:"origin"` // "flag --listen", "env VITAE_LISTEN", "file vitae.toml", "default"
}

// Entries are all keys in the order of the documentation, with the values in force and
// where each came from.
func (c Config) Entries() []Entry { return append([]Entry(nil), c.entries...) }

// Secret is text that must not be shown. Every way of printing it gives Fingerprint.
type Secret string

// Reveal is the text itself.
func (s Secret) Reveal() string { return string(s) }

// Fingerprint tells two secrets apart without giving either away: "sha256:" and the first
// 8 hexadecimal digits of the digest; "" for no secret.
func (s Secret) Fingerprint() string {
	if s == "" {
		return ""
	}
	d := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(d[:4])
}

func (s Secret) String() string { return s.Fingerprint() }

// GoString keeps %#v from showing the secret.
func (s Secret) GoString() string { return s.Fingerprint() }

// LogValue keeps the secret out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.Fingerprint()) }

// MarshalText keeps the secret out of JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.Fingerprint()), nil }
