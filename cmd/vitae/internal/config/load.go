package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Sources is where Load looks.
type Sources struct {
	// File is the TOML file, from --config; "" is the file of VITAE_CONFIG, or none.
	File string
	// Env is the environment as os.Environ gives it.
	Env []string
	// Flags has the flags that were really given, by key: Flags["listen"].
	Flags map[string]string
	// Sandbox and SandboxListen are the flags of these names.
	Sandbox       bool
	SandboxListen string
}

// Problem is one thing wrong with the configuration.
type Problem struct {
	Key    string `json:"key"`
	Origin string `json:"origin"`
	Why    string `json:"why"`
}

// Problems is the error of Load: all that is wrong, in the order of the documentation,
// with what is unknown at the end. It never holds a secret.
type Problems []Problem

func (p Problems) Error() string {
	var b strings.Builder
	b.WriteString("the configuration is wrong:")
	for _, one := range p {
		fmt.Fprintf(&b, "\n  %s (%s): %s", one.Key, one.Origin, one.Why)
	}
	return b.String()
}

// raw is a value as a source has it, with the place it is from.
type raw struct {
	value  any
	origin string
}

const byDefault = "default"

// Load gathers and checks the configuration. The error is Problems, or says that the file
// cannot be read.
func Load(src Sources) (Config, error) {
	var problems Problems
	ks := keys()
	env, unknown := environment(ks, src.Env)
	problems = append(problems, unknown...)

	path := src.File
	if path == "" {
		path = env["config"]
	}
	file, tables, err := readFile(path)
	if err != nil {
		return Config{}, err
	}

	c := Config{Sinks: map[string]Sink{}, Sandbox: src.Sandbox, SandboxListen: src.SandboxListen}
	for _, p := range Providers() {
		if tables["sinks."+p] || src.Sandbox || slices.ContainsFunc(ks, func(k key) bool {
			_, given := env[k.name]
			return k.provider == p && given
		}) {
			c.Sinks[p] = Sink{}
		}
	}

	var wrong Problems
	for _, k := range ks {
		r := lookup(k, path, src.Flags, env, file)
		if !k.envOnly {
			delete(file, k.name)
		}
		if _, runs := c.Sinks[k.provider]; k.provider != "" && !runs {
			continue
		}
		if w := c.take(k, r); w != nil {
			wrong = append(wrong, *w)
		}
	}
	wrong = append(wrong, c.crossCheck()...)
	c.showKey("admin_key", c.AdminKey)
	c.showKey("master_key", c.MasterKey)
	for name := range file {
		problems = append(problems, Problem{Key: name, Origin: "file " + path, Why: unknownKey(ks, name)})
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Key, b.Key) })
	if problems = append(wrong, problems...); len(problems) > 0 {
		return Config{}, problems
	}
	return c, nil
}

// lookup finds the value of a key and takes the most telling source.
func lookup(k key, path string, flags, env map[string]string, file map[string]any) raw {
	if s, given := flags[k.name]; given {
		return raw{s, "flag --" + strings.ReplaceAll(k.name, "_", "-")}
	}
	if s, given := env[k.name]; given {
		return raw{s, "env " + k.env()}
	}
	if v, given := file[k.name]; given && !k.envOnly {
		return raw{v, "file " + path}
	}
	return raw{k.def, byDefault}
}

// take parses, checks and keeps one value, and notes where it came from.
func (c *Config) take(k key, r raw) *Problem {
	if k.name == "replicas" && r.origin == byDefault && c.NATS != "" {
		r.value = "3" // a cluster keeps three copies
	}
	if c.Sandbox && strings.HasSuffix(k.name, ".base_url") {
		c.entries = append(c.entries, Entry{Key: k.name, Value: "(the sandbox)", Origin: "flag --sandbox"})
		return nil
	}
	v, err := parse(k.kind, r.value)
	if err == nil {
		err = k.put(c, v)
	}
	if err != nil {
		return &Problem{Key: k.name, Origin: r.origin, Why: err.Error()}
	}
	shown := v.format(k.kind)
	switch k.name {
	case "admin_key":
		shown = c.AdminKey.Fingerprint()
	case "master_key":
		shown = c.MasterKey.Fingerprint()
	}
	c.entries = append(c.entries, Entry{Key: k.name, Value: shown, Origin: r.origin})
	return nil
}

// showKey corrects the entry of a key that a file gave.
func (c *Config) showKey(name string, s Secret) {
	i := slices.IndexFunc(c.entries, func(e Entry) bool { return e.Key == name })
	if i >= 0 && s != "" && c.entries[i].Origin == byDefault {
		c.entries[i].Value, c.entries[i].Origin = s.Fingerprint(), name+"_file"
	}
}

// crossCheck finds what is wrong only together, among the keys that are right alone.
func (c *Config) crossCheck() (out Problems) {
	add := func(name, why string) {
		i := slices.IndexFunc(c.entries, func(e Entry) bool { return e.Key == name })
		if i >= 0 {
			out = append(out, Problem{name, c.entries[i].Origin, why})
		}
	}
	if c.NATS != "" && c.NATSListen != "" {
		add("nats_listen", "is for the embedded engine, and nats names a cluster")
	}
	if (c.NATSTLSCert == "") != (c.NATSTLSKey == "") {
		add("nats_tls_cert_file", "and nats_tls_key_file belong together: set both or none")
	}
	if host, _, err := net.SplitHostPort(c.NATSListen); err == nil && !loopback(host) && c.NATSTLSCert == "" && !c.NATSPlain {
		add("nats_listen", "subscribers' keys would travel in clear: set nats_tls_cert_file and nats_tls_key_file, or nats_allow_plain where something else encrypts")
	}
	if c.NATS == "" && c.Replicas > 1 {
		add("replicas", "must be 1 for the embedded engine")
	}
	if c.SandboxListen != "" {
		if err := checkAddress(c.SandboxListen); err != nil {
			out = append(out, Problem{"sandbox-listen", "flag --sandbox-listen", err.Error()})
		}
	}
	return out
}

// parse reads a value of the given kind. From flags and the environment it comes as text;
// the file has types, and they must be right.
func parse(k kind, v any) (value, error) {
	wrong := fmt.Errorf("must be %s", k)
	s, isText := v.(string)
	switch k {
	case integer:
		if n, ok := v.(int64); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return value{num: int(n)}, nil
		}
		n, err := strconv.ParseInt(s, 10, 32)
		if !isText || err != nil {
			return value{}, wrong
		}
		return value{num: int(n)}, nil
	case boolean:
		if b, ok := v.(bool); ok {
			return value{flag: b}, nil
		}
		if s != "true" && s != "false" {
			return value{}, wrong
		}
		return value{flag: s == "true"}, nil
	case duration:
		d, err := time.ParseDuration(s)
		if !isText || err != nil {
			return value{}, wrong
		}
		return value{dur: d}, nil
	default:
		if !isText {
			return value{}, wrong
		}
		return value{text: s}, nil
	}
}

// readFile reads the TOML file into dotted names. tables has the dotted name of every
// table, the empty ones too.
func readFile(path string) (values map[string]any, tables map[string]bool, err error) {
	values, tables = map[string]any{}, map[string]bool{}
	if path == "" {
		return values, tables, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration file: %w", err)
	}
	var doc map[string]any
	if err := toml.Unmarshal(b, &doc); err != nil {
		var at toml.ParseError
		if errors.As(err, &at) {
			// Not the library's excerpt: it shows the neighbouring lines.
			return nil, nil, fmt.Errorf("configuration file %s, line %d: %s", path, at.Position.Line, at.Message)
		}
		return nil, nil, fmt.Errorf("configuration file %s: %w", path, err)
	}
	flatten("", doc, values, tables)
	return values, tables, nil
}

func flatten(prefix string, doc map[string]any, values map[string]any, tables map[string]bool) {
	for name, v := range doc {
		name = prefix + name
		sub, isTable := v.(map[string]any)
		if !isTable {
			values[name] = v
			continue
		}
		tables[name] = true
		if len(sub) == 0 && !known(name) {
			values[name] = v // an empty table of an unknown name is an unknown key
		}
		flatten(name+".", sub, values, tables)
	}
}

// known says that a table of this name can be in the file.
func known(table string) bool {
	return slices.ContainsFunc(keys(), func(k key) bool { return strings.HasPrefix(k.name, table+".") })
}
