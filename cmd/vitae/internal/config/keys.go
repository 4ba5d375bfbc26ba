package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"vitae/ledger/proof"
)

// kind is how the value of a key is written.
type kind int

const (
	text kind = iota
	integer
	boolean
	duration
)

func (k kind) String() string {
	return [...]string{"a text", "a whole number", "true or false", `a duration such as "30s"`}[k]
}

// value is a parsed value; the member of its kind counts.
type value struct {
	text string
	num  int
	flag bool
	dur  time.Duration
}

func (v value) format(k kind) string {
	switch k {
	case integer:
		return strconv.Itoa(v.num)
	case boolean:
		return strconv.FormatBool(v.flag)
	case duration:
		return v.dur.String()
	default:
		return v.text
	}
}

// key is one thing that can be configured.
type key struct {
	name     string
	kind     kind
	def      string
	provider string // of a sink's key
	envOnly  bool   // a secret that must not stand in the file
	// put checks the value and writes it to the configuration. Its error says what is
	// wrong without the key's name and without the value of a secret.
	put func(*Config, value) error
}

// env is the variable of a key.
func (k key) env() string {
	return "VITAE_" + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

// keys lists everything that can be configured, in the order of the documentation.
func keys() []key {
	ks := []key{
		{name: "listen", def: "127.0.0.1:8080", put: func(c *Config, v value) error {
			c.Listen = v.text
			return checkAddress(v.text)
		}},
		{name: "data", def: "./data", put: func(c *Config, v value) error {
			c.Data = v.text
			if strings.TrimSpace(v.text) == "" {
				return errors.New("a folder must be named")
			}
			return nil
		}},
		{name: "nats", put: func(c *Config, v value) error {
			c.NATS = v.text
			return checkServers(v.text)
		}},
		{name: "nats_listen", put: func(c *Config, v value) error {
			c.NATSListen = v.text
			if v.text == "" {
				return nil
			}
			return checkAddress(v.text)
		}},
		{name: "nats_tls_cert_file", put: func(c *Config, v value) error {
			c.NATSTLSCert = v.text
			return nil
		}},
		{name: "nats_tls_key_file", put: func(c *Config, v value) error {
			c.NATSTLSKey = v.text
			return nil
		}},
		{name: "nats_allow_plain", kind: boolean, def: "false", put: func(c *Config, v value) error {
			c.NATSPlain = v.flag
			return nil
		}},
		{name: "replicas", kind: integer, def: "1", put: func(c *Config, v value) error {
			c.Replicas = v.num
			if v.num != 1 && v.num != 3 && v.num != 5 {
				return errors.New("must be 1, 3 or 5")
			}
			return nil
		}},
		{name: "admin_key", envOnly: true, put: func(c *Config, v value) (err error) {
			if v.text != "" {
				c.AdminKey, err = parseAdminKey(v.text)
			}
			return err
		}},
		{name: "admin_key_file", put: func(c *Config, v value) error {
			return fromFile(v.text, &c.AdminKey, parseAdminKey)
		}},
		{name: "master_key", envOnly: true, put: func(c *Config, v value) (err error) {
			if v.text != "" {
				c.MasterKey, err = parseMasterKey(v.text)
			}
			return err
		}},
		{name: "master_key_file", put: func(c *Config, v value) error {
			return fromFile(v.text, &c.MasterKey, parseMasterKey)
		}},
		{name: "allow_private_webhooks", kind: boolean, def: "false", put: func(c *Config, v value) error {
			c.AllowPrivateWebhooks = v.flag
			return nil
		}},
		{name: "rate_limit.write_per_minute", kind: integer, def: "20", put: func(c *Config, v value) error {
			c.RateLimit.Write = v.num
			return notNegative(v.num)
		}},
		{name: "rate_limit.read_per_minute", kind: integer, def: "60", put: func(c *Config, v value) error {
			c.RateLimit.Read = v.num
			return notNegative(v.num)
		}},
		{name: "access.keep", kind: duration, def: "9600h", put: func(c *Config, v value) error {
			if c.AccessKeep = v.dur; v.dur == 0 {
				return nil
			}
			return between(v.dur, 24*time.Hour, 100*365*24*time.Hour)
		}},
	}
	ks = append(ks, key{name: "changes.keep", kind: duration, def: "720h", put: func(c *Config, v value) error {
		c.ChangesKeep = v.dur
		return between(v.dur, time.Minute, 10*365*24*time.Hour)
	}}, key{name: "log.witnesses", put: func(c *Config, v value) error { return witnesses(v.text, &c.Witnesses) }})
	for _, p := range Providers() {
		ks = append(ks, sinkKeys(p)...)
	}
	return ks
}

// sinkDefault is what differs between the providers.
func sinkDefault(provider string) (baseURL, perMinute, perDay string) {
	switch provider {
	case "mokaru":
		return "https://api.mokaru.ai", "18", "0"
	case "postpress":
		return "https://api.postpress.ai", "20", "0"
	case "linkedin":
		return "https://api.linkedin.com", "60", "1000"
	case "jarvi":
		return "https://functions.prod.jarvi.tech", "20", "0"
	default:
		return "", "60", "0" // Nexudus: every space has a host of its own
	}
}

func sinkKeys(provider string) []key {
	base, rate, day := sinkDefault(provider)
	sink := func(name string, k kind, def string, put func(*Sink, value) error) key {
		return key{name: "sinks." + provider + "." + name, kind: k, def: def, provider: provider,
			put: func(c *Config, v value) error {
				s := c.Sinks[provider]
				err := put(&s, v)
				c.Sinks[provider] = s
				return err
			}}
	}
	return []key{
		sink("base_url", text, base, func(s *Sink, v value) error {
			s.BaseURL = strings.TrimRight(v.text, "/")
			return checkBaseURL(v.text)
		}),
		sink("requests_per_minute", integer, rate, func(s *Sink, v value) error {
			s.RequestsPerMinute = v.num
			return notNegative(v.num)
		}),
		sink("requests_per_day", integer, day, func(s *Sink, v value) error {
			s.RequestsPerDay = v.num
			return notNegative(v.num)
		}),
		sink("timeout", duration, "30s", func(s *Sink, v value) error {
			s.Timeout = v.dur
			return between(v.dur, time.Second, 10*time.Minute)
		}),
		sink("settle", duration, "60s", func(s *Sink, v value) error {
			s.Settle = v.dur
			return between(v.dur, 0, time.Hour)
		}),
		sink("max_attempts", integer, "12", func(s *Sink, v value) error {
			s.MaxAttempts = v.num
			if v.num < 1 {
				return errors.New("must be 1 or more")
			}
			return nil
		}),
		sink("paused", boolean, "false", func(s *Sink, v value) error {
			s.Paused = v.flag
			return nil
		}),
	}
}

func notNegative(n int) error {
	if n < 0 {
		return errors.New("must be 0 (no limit) or more")
	}
	return nil
}

func between(d, low, high time.Duration) error {
	if d < low || d > high {
		return fmt.Errorf("must be between %s and %s", low, high)
	}
	return nil
}

func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New("must be host:port, such as 127.0.0.1:8080")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return errors.New("the port must be a number from 0 to 65535")
	}
	return nil
}

func checkServers(s string) error {
	if s == "" {
		return nil
	}
	for one := range strings.SplitSeq(s, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss" {
			return errors.New(`must be URLs such as "nats://host:4222", separated by commas`)
		}
	}
	return nil
}

// witnesses reads verifier keys, separated by commas.
func witnesses(s string, into *[]string) error {
	for one := range strings.SplitSeq(s, ",") {
		if one = strings.TrimSpace(one); one == "" && s == "" {
			continue
		}
		if err := proof.CheckWitness(one); err != nil {
			return err
		}
		*into = append(*into, one)
	}
	return nil
}

// checkBaseURL refuses plain http to anything but this machine: a credential would travel
// in clear.
func checkBaseURL(s string) error {
	if s == "" {
		return errors.New("must be set: the provider has no address of its own")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("must be a URL such as https://api.example.com")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("must have no user, query or fragment")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("plain http is accepted for loopback addresses only")
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func parseAdminKey(s string) (Secret, error) {
	s = strings.TrimSpace(s)
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", errors.New("must be one word of printable ASCII")
	}
	return Secret(s), nil
}

func parseMasterKey(s string) (Secret, error) {
	s = strings.TrimSpace(s)
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 32 {
		return "", errors.New("must be 32 bytes in base64 (openssl rand -base64 32)")
	}
	return Secret(s), nil
}

// fromFile reads a key's file, unless the environment gave the key already.
func fromFile(path string, into *Secret, parse func(string) (Secret, error)) error {
	if path == "" || *into != "" {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err // names the file; nothing of its content
	}
	*into, err = parse(string(b))
	return err
}
