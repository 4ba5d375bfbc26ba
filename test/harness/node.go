package harness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// installTimeout bounds one installation.
const installTimeout = 5 * time.Minute

// nodeOnce finds Node.js once for all tests of a package.
var nodeOnce = sync.OnceValues(func() (string, error) {
	path, err := exec.LookPath("node")
	if err == nil {
		if _, err = exec.LookPath("npm"); err == nil {
			return path, nil
		}
	}
	// A machine with Debian's packages only.
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	for _, args := range [][]string{{"update", "-q"}, {"install", "-q", "-y", "--no-install-recommends", "nodejs", "npm"}} {
		c := exec.CommandContext(ctx, "apt-get", args...)
		c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := c.CombinedOutput(); err != nil {
			return "", &nodeError{err, string(out)}
		}
	}
	return exec.LookPath("node")
})

type nodeError struct {
	err    error
	output string
}

func (e *nodeError) Error() string {
	return "install Node.js 18 or later with npm; this test could not: " + e.err.Error() + "\n" + e.output
}

// Node runs a script of Node.js that uses packages of npm's registry, each named as
// "name@version", with input on its stdin, and gives its stdout. It installs what is
// missing: the packages once for each user, without running any script of theirs. The test
// ends when that cannot be done, or when the script fails.
func Node(t testing.TB, packages []string, script, input string) string {
	t.Helper()
	node, err := nodeOnce()
	if err != nil {
		t.Fatal(err)
	}
	dir := install(t, packages)
	file := filepath.Join(dir, "script-"+hash(script)+".mjs")
	if err := replace(file, script); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), node, file)
	c.Dir = dir
	c.Stdin = strings.NewReader(input)
	var out, complaint bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaint
	if err := c.Run(); err != nil {
		t.Fatalf("node: %v\n%s%s", err, out.String(), complaint.String())
	}
	return out.String()
}

// install gives a folder that has the packages.
func install(t testing.TB, packages []string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "vitae-test", "npm-"+hash(strings.Join(packages, " ")))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	half, err := os.MkdirTemp(filepath.Dir(dir), "half-*")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(half); err != nil {
			t.Log(err)
		}
	}()
	if err := os.WriteFile(filepath.Join(half, "package.json"), []byte(`{"private":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), installTimeout)
	defer cancel()
	c := exec.CommandContext(ctx, "npm", append([]string{"install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"}, packages...)...)
	c.Dir = half
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("npm install %s: %v\n%s", strings.Join(packages, " "), err, out)
	}
	if err := os.Rename(half, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // another test was faster
			t.Fatal(err)
		}
	}
	return dir
}

// replace puts a file in place whole: another test may run it.
func replace(file, content string) error {
	f, err := os.CreateTemp(filepath.Dir(file), "new-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
