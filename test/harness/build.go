package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// Main is the body of a package's TestMain: it runs the tests, looks for goroutines that
// they left behind, removes the binary and ends the process.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left:", err)
			code = 1
		}
	}
	if dir, err := workDir(); err == nil {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// workDir is the folder of the binary.
var workDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "vitae-test-") })

// binary builds the program and gives its path; probing, with the hooks of fault tests.
var (
	binary  = sync.OnceValues(func() (string, error) { return build("vitae-under-test") })
	probing = sync.OnceValues(func() (string, error) { return build("vitae-probing", "-tags", "probe") })
)

func build(name string, flags ...string) (string, error) {
	dir, err := workDir()
	if err != nil {
		return "", err
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	if err := touch(root); err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), "vitae/cmd/vitae")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// Binary is the path of the program, built from the sources as they are.
func Binary(t testing.TB) string {
	t.Helper()
	return must(t, binary)
}

// ProbingBinary is the path of the program with the build tag probe: it kills itself where
// VITAE_PROBE says.
func ProbingBinary(t testing.TB) string {
	t.Helper()
	return must(t, probing)
}

func must(t testing.TB, build func() (string, error)) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Root is the repository's top folder.
var Root = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(b, []byte("module vitae\n")) {
			return dir, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("the repository's top folder is not above the test")
		}
		dir = filepath.Dir(dir)
	}
})

// touch opens every file that the binary is made of, from within the test process. The go
// command then knows that the test depends on them, and does not answer from its cache
// when one of them has changed.
func touch(root string) error {
	return Files(root, func(rel string) error {
		if strings.HasSuffix(rel, "_test.go") || strings.HasPrefix(rel, "docs/") {
			return nil
		}
		f, err := os.Open(filepath.Join(root, rel))
		if err != nil {
			return err
		}
		return f.Close()
	})
}

// Files calls each with every file of the repository by its slash-separated path, in
// order, without what is not kept in it (.git, and the folders that a build or a run makes).
func Files(root string, each func(rel string) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			switch rel {
			case ".git", "bin", "data", "dist":
				return filepath.SkipDir
			}
			return nil
		}
		for _, ending := range []string{".test", ".prof", ".out"} {
			if strings.HasSuffix(rel, ending) {
				return nil
			}
		}
		return each(rel)
	})
}
