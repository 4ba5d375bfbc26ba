package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write puts a configuration file in a folder of the test.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vitae.toml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	path := write(t, "listen = \"127.0.0.1:2\"\n")
	for _, tt := range []struct {
		name string
		src  Sources
		want Entry
	}{
		{"default", Sources{}, Entry{"listen", "127.0.0.1:8080", "default"}},
		{"file", Sources{File: path}, Entry{"listen", "127.0.0.1:2", "file " + path}},
		{"file from the environment", Sources{Env: []string{"VITAE_CONFIG=" + path}}, Entry{"listen", "127.0.0.1:2", "file " + path}},
		{"environment over file", Sources{File: path, Env: []string{"VITAE_LISTEN=127.0.0.1:3"}}, Entry{"listen", "127.0.0.1:3", "env VITAE_LISTEN"}},
		{"empty variable is not set", Sources{File: path, Env: []string{"VITAE_LISTEN="}}, Entry{"listen", "127.0.0.1:2", "file " + path}},
		{
			"flag over all",
			Sources{File: path, Env: []string{"VITAE_LISTEN=127.0.0.1:3"}, Flags: map[string]string{"listen": "127.0.0.1:4"}},
			Entry{"listen", "127.0.0.1:4", "flag --listen"},
		},
		{
			"flag with two words",
			Sources{Flags: map[string]string{"nats_listen": "127.0.0.1:4222"}},
			Entry{"nats_listen", "127.0.0.1:4222", "flag --nats-listen"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(tt.src)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(c.Entries(), func(e Entry) bool { return e.Key == tt.want.Key })
			if diff := cmp.Diff(tt.want, c.Entries()[i]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	c, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.Data != "./data" || c.Replicas != 1 || c.RateLimit != (RateLimit{Write: 20, Read: 60}) ||
		c.NATS != "" || c.NATSListen != "" || c.AllowPrivateWebhooks || len(c.Sinks) != 0 {
		t.Errorf("defaults: %+v", c)
	}
	c, err = Load(Sources{Env: []string{"VITAE_NATS=nats://a:4222,nats://b:4222,nats://c:4222"}})
	if err != nil || c.Replicas != 3 {
		t.Errorf("a cluster keeps %d copies by default, %v; want 3", c.Replicas, err)
	}
}

func TestWholeFile(t *testing.T) {
	c, err := Load(Sources{File: write(t, `
listen = "0.0.0.0:80"
data = "/var/lib/vitae"
nats = ""
nats_listen = "127.0.0.1:4222"
replicas = 1
admin_key_file = ""
master_key_file = ""
allow_private_webhooks = true

[rate_limit]
write_per_minute = 0
read_per_minute = 600

[sinks.mokaru]
base_url = "http://127.0.0.1:9001/mokaru/"
requests_per_minute = 5
timeout = "5s"
settle = "0s"
max_attempts = 3
paused = true
[sinks.jarvi]
`)})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Sink{
		"mokaru": {"http://127.0.0.1:9001/mokaru", 5, 0, 5 * time.Second, 0, 3, true},
		"jarvi":  {"https://functions.prod.jarvi.tech", 20, 0, 30 * time.Second, time.Minute, 12, false},
	}
	if diff := cmp.Diff(want, c.Sinks); diff != "" {
		t.Error(diff)
	}
	if !c.AllowPrivateWebhooks || c.RateLimit != (RateLimit{0, 600}) || c.Data != "/var/lib/vitae" {
		t.Errorf("got %+v", c)
	}
}

func TestSinkRunsWhenNamed(t *testing.T) {
	c, err := Load(Sources{Env: []string{"VITAE_SINKS_NEXUDUS_BASE_URL=https://hub.spaces.nexudus.com"}})
	if err != nil || len(c.Sinks) != 1 || c.Sinks["nexudus"].BaseURL != "https://hub.spaces.nexudus.com" {
		t.Errorf("sinks %+v, %v", c.Sinks, err)
	}
	c, err = Load(Sources{Sandbox: true, SandboxListen: "127.0.0.1:0", Env: []string{"VITAE_SINKS_LINKEDIN_PAUSED=true"}})
	if err != nil || len(c.Sinks) != 5 || !c.Sinks["linkedin"].Paused || c.Sinks["mokaru"].BaseURL != "" {
		t.Errorf("with the sandbox: %+v, %v", c.Sinks, err)
	}
}

// TestEveryMistakeAtOnce also pins the operator's words.
func TestEveryMistakeAtOnce(t *testing.T) {
	path := write(t, `
listen = 8080
replicas = "three"
lisen = "x"
admin_key = "not here"
[rate_limit]
read_per_minute = -1
[sinks.mokaru]
base_url = "http://api.mokaru.ai"
timeout = 30
[sinks.monster]
`)
	_, err := Load(Sources{
		File: path,
		Env:  []string{"VITAE_MASTER_KEY=c2hvcnQ=", "VITAE_SINKS_JARVI_PASUED=true", "VITAE_KEY=x", "VITAE_SERVER=y", "HOME=/", "VITAE_PORT_80_TCP=z", "VITAE_SERVICE_HOST=h"},
	})
	var got Problems
	if !errors.As(err, &got) {
		t.Fatalf("got %v, want Problems", err)
	}
	file := "file " + path
	want := Problems{
		{"listen", file, "must be a text"},
		{"replicas", file, "must be a whole number"},
		{"master_key", "env VITAE_MASTER_KEY", "must be 32 bytes in base64 (openssl rand -base64 32)"},
		{"rate_limit.read_per_minute", file, "must be 0 (no limit) or more"},
		{"sinks.mokaru.base_url", file, "plain http is accepted for loopback addresses only"},
		{"sinks.mokaru.timeout", file, `must be a duration such as "30s"`},
		{"VITAE_SINKS_JARVI_PASUED", "env", "no such key; did you mean VITAE_SINKS_JARVI_PAUSED?"},
		{"admin_key", file, "must not stand in the file: use VITAE_ADMIN_KEY or admin_key_file"},
		{"lisen", file, "no such key; did you mean listen?"},
		{"sinks.monster", file, "no such key"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(err.Error(), "c2hvcnQ=") {
		t.Error("the message shows a key")
	}
}

func TestWrongValues(t *testing.T) {
	for _, tt := range []struct{ env, key string }{
		{"VITAE_LISTEN=8080", "listen"},
		{"VITAE_LISTEN=127.0.0.1:http", "listen"},
		{"VITAE_LISTEN=127.0.0.1:65536", "listen"},
		{"VITAE_DATA= ", "data"},
		{"VITAE_NATS_LISTEN=0.0.0.0:4222", "nats_listen"},
		{"VITAE_NATS_LISTEN=:4222", "nats_listen"},
		{"VITAE_NATS_TLS_KEY_FILE=key.pem", "nats_tls_cert_file"},
		{"VITAE_CHANGES_KEEP=1s", "changes.keep"},
		{"VITAE_NATS=a:4222", "nats"},
		{"VITAE_NATS=http://a:4222", "nats"},
		{"VITAE_REPLICAS=2", "replicas"},
		{"VITAE_REPLICAS=3", "replicas"},
		{"VITAE_ADMIN_KEY=two words", "admin_key"},
		{"VITAE_ADMIN_KEY_FILE=/does/not/exist", "admin_key_file"},
		{"VITAE_ALLOW_PRIVATE_WEBHOOKS=yes", "allow_private_webhooks"},
		{"VITAE_RATE_LIMIT_WRITE_PER_MINUTE=1e3", "rate_limit.write_per_minute"},
		{"VITAE_SINKS_NEXUDUS_PAUSED=true", "sinks.nexudus.base_url"},
		{"VITAE_SINKS_MOKARU_BASE_URL=https://u:p@api.mokaru.ai", "sinks.mokaru.base_url"},
		{"VITAE_SINKS_MOKARU_BASE_URL=https://api.mokaru.ai?x", "sinks.mokaru.base_url"},
		{"VITAE_SINKS_MOKARU_BASE_URL=ftp://127.0.0.1", "sinks.mokaru.base_url"},
		{"VITAE_SINKS_MOKARU_BASE_URL=http://127.0.0.1.example.com", "sinks.mokaru.base_url"},
		{"VITAE_SINKS_MOKARU_BASE_URL=http://10.0.0.1", "sinks.mokaru.base_url"},
		{"VITAE_SINKS_MOKARU_TIMEOUT=1ms", "sinks.mokaru.timeout"},
		{"VITAE_SINKS_MOKARU_SETTLE=-1s", "sinks.mokaru.settle"},
		{"VITAE_SINKS_MOKARU_MAX_ATTEMPTS=0", "sinks.mokaru.max_attempts"},
	} {
		_, err := Load(Sources{Env: []string{tt.env}})
		var got Problems
		if !errors.As(err, &got) || len(got) != 1 || got[0].Key != tt.key {
			t.Errorf("%s: %v; want one problem with %s", tt.env, err, tt.key)
		}
	}
	for _, ok := range []string{
		"VITAE_SINKS_MOKARU_BASE_URL=http://[::1]:9000",
		"VITAE_SINKS_MOKARU_BASE_URL=http://localhost:9000/m",
		"VITAE_SINKS_MOKARU_BASE_URL=http://127.8.8.8",
		"VITAE_LISTEN=:0",
		"VITAE_NATS_LISTEN=127.0.0.1:4222",
		"VITAE_LISTEN=[::1]:8080",
	} {
		if _, err := Load(Sources{Env: []string{ok}}); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	admin := filepath.Join(dir, "admin")
	if err := os.WriteFile(admin, []byte("from-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const master = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	c, err := Load(Sources{Env: []string{"VITAE_MASTER_KEY=" + master, "VITAE_ADMIN_KEY_FILE=" + admin}})
	if err != nil {
		t.Fatal(err)
	}
	if c.AdminKey.Reveal() != "from-the-file" || c.MasterKey.Reveal() != master {
		t.Error("the keys are not what was given")
	}
	over, err := Load(Sources{Env: []string{"VITAE_ADMIN_KEY=given", "VITAE_ADMIN_KEY_FILE=" + admin}})
	if err != nil || over.AdminKey.Reveal() != "given" {
		t.Errorf("VITAE_ADMIN_KEY does not win over the file: %v", err)
	}
	text := fmt.Sprintf("%v %+v %#v %s", c, c, c, c.AdminKey)
	for _, e := range c.Entries() {
		text += e.Value
		if e.Key == "admin_key" && (e.Origin != "admin_key_file" || e.Value != Secret("from-the-file").Fingerprint()) {
			t.Errorf("admin_key: %+v", e)
		}
	}
	for _, secret := range []string{"from-the-file", master} {
		if strings.Contains(text, secret) {
			t.Error("a secret is printed")
		}
	}
}

func TestFileFaults(t *testing.T) {
	if _, err := Load(Sources{File: "/does/not/exist.toml"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	_, err := Load(Sources{File: write(t, "listen = \"127.0.0.1:1\"\nmaster = = \"topsecret\"\n")})
	if err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("syntax error: %v", err)
	}
}
