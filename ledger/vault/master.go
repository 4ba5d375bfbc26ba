package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// KeySize is the length in bytes of the master key and of every data key.
const KeySize = 32

// ErrMasterKey says that the master key is not the one that this vault was made with.
var ErrMasterKey = errors.New("the master key does not belong to this vault")

// NewMaster draws a master key.
func NewMaster() []byte {
	key := make([]byte, KeySize)
	_, _ = rand.Read(key) // crypto/rand stops the program rather than fail
	return key
}

// FormatMaster gives the text form of a master key that ParseMaster reads.
func FormatMaster(key []byte) string { return base64.StdEncoding.EncodeToString(key) }

// ParseMaster reads a master key: 32 bytes in standard base64, with space around it.
// The error never shows the text.
func ParseMaster(text string) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != KeySize {
		return nil, fmt.Errorf("master key: want %d bytes in base64", KeySize)
	}
	return key, nil
}

// LoadMaster reads the master key from a file that nobody but its owner may read or
// write. When the file is not there and create is set, it makes one with a new key,
// durably and without ever showing a half-written one; without create the error wraps
// fs.ErrNotExist.
func LoadMaster(path string, create bool) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := createMaster(path); err != nil {
			return nil, fmt.Errorf("making the master key: %w", err)
		}
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("master key: %s has mode %v: it must be a file that only its owner may read (chmod 600)", path, info.Mode())
	}
	text := make([]byte, 256)
	n, err := f.Read(text)
	if err != nil {
		return nil, fmt.Errorf("master key: reading %s: %w", path, err)
	}
	key, err := ParseMaster(string(text[:n]))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// createMaster writes the key to a file of another name and links it into place: a
// process that is quicker wins, and a crash leaves no half key under the name.
func createMaster(path string) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".master-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(FormatMaster(NewMaster()) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// wrapper wraps data keys under one master key.
type wrapper struct {
	id   string // names the master key in records; says nothing about it
	aead cipher.AEAD
}

func newWrapper(master []byte) (*wrapper, error) {
	if len(master) != KeySize {
		return nil, fmt.Errorf("vault: the master key has %d bytes, not %d", len(master), KeySize)
	}
	aead, err := newAEAD(master)
	if err != nil {
		return nil, err
	}
	id, err := hkdf.Key(sha256.New, master, nil, "vitae master key id", 8)
	if err != nil {
		return nil, err
	}
	return &wrapper{id: hex.EncodeToString(id), aead: aead}, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
