package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/backup"
	"vitae/cmd/vitae/internal/client"
)

func (a *app) backupCmd() *cobra.Command {
	var since, keysFile, passphraseFile string
	var recipients []string
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Back the running server up to a file",
		Long: `Write a backup of the running server: FILE has the data, and FILE.keys (or --keys) the
profiles' wrapped keys. Keep data files as long as you like. Keep only the newest keys
file, and put each new one in the place of the one before: it opens all data files, and a
profile that was erased since is closed in all of them.

With --since the file has only what is new since an earlier data file, and restoring needs
both. Without --recipient or --passphrase-file the files are sealed by keys of the ledger
itself. The master key is in neither file: without it a backup opens nothing.`,
		Example: `  vitae backup /backup/monday.vitae --keys /backup/newest.keys
  vitae backup /backup/tuesday.vitae --since /backup/monday.vitae --keys /backup/newest.keys
  vitae backup offsite.vitae --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p`,
		Args: cobra.ExactArgs(1),
	}
	a.changes(a.remote(c))
	f := c.Flags()
	f.StringVar(&since, "since", "", "write only what is new since this data file")
	f.StringVar(&keysFile, "keys", "", "where the keys go; a file that is there is replaced (default FILE.keys)")
	f.StringArrayVar(&recipients, "recipient", nil, "seal for this public key of age; may be given more than once")
	f.StringVar(&passphraseFile, "passphrase-file", "", `seal with the passphrase in this file, "-" for stdin`)
	c.RunE = func(c *cobra.Command, args []string) error {
		if keysFile == "" {
			keysFile = args[0] + ".keys"
		}
		if filepath.Clean(keysFile) == filepath.Clean(args[0]) {
			return usage("--keys must name another file")
		}
		r := backup.Request{Seal: backup.Seal{Recipients: recipients}}
		if passphraseFile != "" {
			b, err := a.readFile(passphraseFile)
			if err != nil {
				return usage("--passphrase-file: %w", err)
			}
			if r.Passphrase = strings.TrimRight(string(b), "\r\n"); r.Passphrase == "" {
				return usage("--passphrase-file: it is empty")
			}
		}
		if err := r.Check(); err != nil {
			return usage("%w", err)
		}
		if since != "" {
			m, err := backup.Since(since)
			if err != nil {
				return backupError(err)
			}
			r.Since = m
		}
		return a.backup(c.Context(), args[0], keysFile, r)
	}
	return c
}

// written is what a backup says of itself.
type written struct {
	File   string `json:"file"`
	Keys   string `json:"keys"`
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	Head   uint64 `json:"head"`
	Bytes  int64  `json:"bytes"` // of both files
	Sealed string `json:"sealed"`
}

func (a *app) backup(ctx context.Context, path, keysPath string, r backup.Request) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return failWith(exitConflict, "%s is there already: a backup never replaces another", path)
	}
	cl, err := a.connect("")
	if err != nil {
		return err
	}
	if a.client.dryRun {
		return a.backupDry(ctx, cl, r)
	}
	m := a.meter("backup (MiB)")
	defer m.end()
	data, err := a.fetchBackup(ctx, cl, "/v1/backup", r, path, m)
	if err != nil {
		return err
	}
	defer data.drop()
	r.Since = nil
	keys, err := a.fetchBackup(ctx, cl, "/v1/backup/keys", r, keysPath, m)
	if err != nil {
		return err
	}
	defer keys.drop()
	// The keys first: newer keys beside older data are what is wanted, the other way
	// round is not.
	if err := keys.keep(); err != nil {
		return err
	}
	if err := data.keep(); err != nil {
		return err
	}
	w := written{File: path, Keys: keysPath, ID: data.manifest.ID, Parent: data.manifest.Parent, Head: uint64(data.manifest.Head.Seq), Bytes: data.size + keys.size, Sealed: data.manifest.Sealed}
	raw, err := json.Marshal(w)
	if err != nil {
		return err
	}
	m.end()
	err = a.print(raw, func(out io.Writer) error {
		return writeTable(out, row{"FILE", "KEYS", "HEAD", "BYTES", "SEALED BY"},
			[]row{{w.File, w.Keys, strconv.FormatUint(w.Head, 10), strconv.FormatInt(w.Bytes, 10), w.Sealed}})
	})
	if err == nil {
		a.say("the master key is not in it: keep a copy of it somewhere else")
	}
	return err
}

func (a *app) backupDry(ctx context.Context, cl *client.Client, r backup.Request) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	var d data
	reply, err := a.call(ctx, cl, client.Call{Method: http.MethodPost, Path: "/v1/backup", Body: b}, &d)
	if err != nil {
		return err
	}
	raw := unwrap(reply, d)
	var m backup.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("the server's answer: %w", err)
	}
	return a.print(raw, func(out io.Writer) error {
		return writeTable(out, row{"HEAD", "BUILDS ON", "SEALED BY"}, []row{{strconv.FormatUint(uint64(m.Head.Seq), 10), m.Parent, m.Sealed}})
	})
}

// fetched is a file that is whole, under a name that is not its own yet.
type fetched struct {
	path, temp string
	manifest   backup.Manifest
	size       int64
}

// drop removes it, if it was not kept.
func (f *fetched) drop() {
	if f.temp != "" {
		_ = os.Remove(f.temp) // a file of another name is in nobody's way
	}
}

func (f *fetched) keep() error {
	if err := os.Rename(f.temp, f.path); err != nil {
		return err
	}
	f.temp = ""
	return backup.SyncFolder(filepath.Dir(f.path))
}

// fetchBackup streams a file to a temporary name beside path, and has it on stable storage
// when it returns nil. It is gone after an error.
func (a *app) fetchBackup(ctx context.Context, cl *client.Client, route string, r backup.Request, path string, m *meter) (_ *fetched, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return nil, err
	}
	out := &fetched{path: path, temp: f.Name()}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
			out.drop()
		}
	}()
	sum := sha256.New()
	head := &limited{most: 1<<20 + 64}
	to := io.MultiWriter(f, sum, head, writerFunc(func(p []byte) {
		out.size += int64(len(p))
		m.show(uint64(out.size)>>20, 0)
	}))
	trailer, err := cl.Stream(ctx, client.Call{Method: http.MethodPost, Path: route, Body: body}, to)
	if err != nil {
		return nil, err
	}
	if got := trailer.Get("X-Vitae-Sha256"); got != hex.EncodeToString(sum.Sum(nil)) {
		return nil, &client.Unreachable{Server: cl.Server(), Sent: true, Err: errors.New("the backup did not come whole")}
	}
	if out.manifest, err = backup.Peek(bytes.NewReader(head.b)); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return out, f.Close()
}

// limited keeps the first bytes.
type limited struct {
	b    []byte
	most int
}

func (l *limited) Write(p []byte) (int, error) {
	l.b = append(l.b, p[:min(len(p), l.most-len(l.b))]...)
	return len(p), nil
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

// backupError gives a refusal its exit code.
func backupError(err error) error {
	if errors.Is(err, backup.ErrRefused) {
		return failWith(exitVerify, "%w", err)
	}
	return err
}
