package proof

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"
)

// tiles are the files of a log: each tile and each bundle of entries is a file of its
// own, in the layout of C2SP tlog-tiles. A file only grows: while a tile is partial its
// file has that many hashes, and what was there stays the beginning of what will be. So
// every partial tile is the beginning of a file.
type tiles struct {
	dir string
	// dirty are the paths, files and folders, that were written and not synced.
	dirty map[string]bool
}

func (s *tiles) file(t tlog.Tile) string {
	t.W = tileWidth
	return filepath.Join(s.dir, filepath.FromSlash(tilePath(t)))
}

// read gives the first W hashes of a tile. A file that has fewer is ErrDamaged.
func (s *tiles) read(t tlog.Tile) ([]byte, error) {
	f, err := os.Open(s.file(t))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing", ErrDamaged, tilePath(t))
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	b := make([]byte, t.W*tlog.HashSize)
	if _, err := io.ReadFull(f, b); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: %s is cut short", ErrDamaged, tilePath(t))
		}
		return nil, err
	}
	return b, nil
}

// readEntries gives the first W entries of a bundle as they are stored: each with its
// length in two bytes before it.
func (s *tiles) readEntries(t tlog.Tile) ([]byte, error) {
	b, err := os.ReadFile(s.file(t))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing", ErrDamaged, tilePath(t))
	}
	if err != nil {
		return nil, err
	}
	rest := b
	for range t.W {
		if _, rest, err = nextEntry(rest); err != nil {
			return nil, fmt.Errorf("%w: %s is cut short", ErrDamaged, tilePath(t))
		}
	}
	return b[:len(b)-len(rest)], nil
}

// nextEntry cuts the first entry off a bundle.
func nextEntry(bundle []byte) (entry, rest []byte, err error) {
	if len(bundle) < 2 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n := 2 + int(binary.BigEndian.Uint16(bundle))
	if len(bundle) < n {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return bundle[2:n], bundle[n:], nil
}

// write puts data into a tile's or bundle's file from byte at on, and makes that the
// file's end. At 0 whatever was in the file is gone.
func (s *tiles) write(t tlog.Tile, data []byte, at int64) error {
	path := s.file(t)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	}
	if err != nil {
		return err
	}
	s.dirty[path] = true
	if at == 0 {
		for dir := filepath.Dir(path); len(dir) >= len(s.dir) && !s.dirty[dir]; dir = filepath.Dir(dir) {
			s.dirty[dir] = true
		}
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(data, at)
	}
	return errors.Join(err, f.Close())
}

// cut makes a file end at byte at, whatever was written behind it.
func (s *tiles) cut(t tlog.Tile, at int64) error {
	s.dirty[s.file(t)] = true
	err := os.Truncate(s.file(t), at)
	if at == 0 && errors.Is(err, fs.ErrNotExist) {
		delete(s.dirty, s.file(t))
		return nil
	}
	return err
}

// sync puts everything that was written on stable storage.
func (s *tiles) sync() error {
	for path := range s.dirty {
		if err := syncPath(path); err != nil {
			return err
		}
	}
	clear(s.dirty)
	return nil
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// replace puts a small file in the place of another one, whole or not at all. With
// durable it is on stable storage when replace returns.
func replace(path string, data []byte, durable bool) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil || !durable {
		return err
	}
	return syncPath(filepath.Dir(path))
}
