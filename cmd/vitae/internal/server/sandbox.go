package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vitae/cmd/vitae/internal/config"
	"vitae/sinks/sandbox"
)

// sandboxServer is the stand-in providers, listening.
type sandboxServer struct {
	http   *http.Server
	urls   map[string]string
	served chan error
	store  io.Closer
}

func listenSandbox(address string, o sandbox.Options) (*sandboxServer, error) {
	box, err := sandbox.New(o)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &sandboxServer{http: &http.Server{Handler: box.Handler(), ReadHeaderTimeout: 10 * time.Second}, urls: box.URLs("http://" + l.Addr().String()), served: make(chan error, 1)}
	go func() { s.served <- s.http.Serve(l) }()
	o.Log.Info("sandbox listening", "addr", l.Addr().String())
	return s, nil
}

func (s *sandboxServer) close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if end := <-s.served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	return err
}

// Sandbox runs the stand-in providers alone, in memory, until ctx ends. ready is called
// with the base URL of each once they take requests. perMinute and perDay are their limits,
// see sandbox.Options.
func Sandbox(ctx context.Context, listen string, perMinute, perDay int, log *slog.Logger, ready func(urls map[string]string)) error {
	s, err := listenSandbox(listen, sandbox.Options{PerMinute: perMinute, PerDay: perDay, Log: log})
	if err != nil {
		return err
	}
	ready(s.urls)
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	return s.close(end)
}

// startSandbox runs the stand-in providers beside the server. They keep what they have
// over a restart, like the real ones; in the data folder it is sealed like everything.
func (s *Server) startSandbox(cfg config.Config) (*sandboxServer, error) {
	store, err := openSandboxStore(filepath.Join(cfg.Data, "sandbox.sealed"), s.core)
	if err != nil {
		return nil, err
	}
	box, err := listenSandbox(cfg.SandboxListen, sandbox.Options{Store: store, PerMinute: sandbox.DefaultPerMinute, Log: s.log})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	box.store = store
	return box, nil
}

// sandboxStore is a file of sealed records, each behind its length.
type sandboxStore struct {
	core *Core
	path string
	mu   sync.Mutex
	file *os.File
}

// maxSandboxRecord bounds a record's length: more is a damaged file.
const maxSandboxRecord = 64 << 20

func openSandboxStore(path string, core *Core) (*sandboxStore, error) {
	s := &sandboxStore{core: core, path: path}
	whole := int64(0)
	for r, err := range s.read() {
		if err != nil {
			return nil, err
		}
		whole += int64(4 + len(r))
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	// A record that a kill cut short was never answered: it is dropped.
	if err := f.Truncate(whole); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(whole, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.file = f
	return s, nil
}

// read yields the records as they are in the file, up to one that was cut short.
func (s *sandboxStore) read() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := os.Open(s.path)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		r := bufio.NewReader(f)
		for {
			var head [4]byte
			if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return
			} else if err != nil {
				yield(nil, err)
				return
			}
			n := binary.BigEndian.Uint32(head[:])
			if n > maxSandboxRecord {
				yield(nil, fmt.Errorf("%s is damaged; remove it to begin with empty stand-ins", s.path))
				return
			}
			sealed := make([]byte, n)
			if _, err := io.ReadFull(r, sealed); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return
			} else if err != nil {
				yield(nil, err)
				return
			}
			if !yield(sealed, nil) {
				return
			}
		}
	}
}

// Append implements sandbox.Store. What the system has taken survives a kill of this
// process; a stand-in need not survive a power loss.
func (s *sandboxStore) Append(record []byte) error {
	sealed, err := s.core.Vault.SealSystem("sandbox", "effect", record)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.file.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(sealed))), sealed...))
	return err
}

// Load implements sandbox.Store.
func (s *sandboxStore) Load() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for sealed, err := range s.read() {
			var record []byte
			if err == nil {
				record, err = s.core.Vault.OpenSystem("sandbox", "effect", sealed)
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// Close closes the file.
func (s *sandboxStore) Close() error { return s.file.Close() }
