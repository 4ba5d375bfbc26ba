package server

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vitae/cmd/vitae/internal/config"
	"vitae/cmd/vitae/internal/keys"
)

// adminKey is the configured one, or the one in the data folder, which is made at first
// start for its owner's eyes only.
func adminKey(cfg config.Config) (string, error) {
	if k := cfg.AdminKey.Reveal(); k != "" {
		return k, nil
	}
	path := filepath.Join(cfg.Data, "admin.key")
	switch b, err := os.ReadFile(path); {
	case err == nil:
		if k := strings.TrimSpace(string(b)); k != "" {
			return k, nil
		}
		return "", fmt.Errorf("%s is empty: put the admin key into it, or remove it to have one made", path)
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: it stops the program instead
	key := keys.Prefix + base64.RawURLEncoding.EncodeToString(random[:])
	// Written beside and renamed: whoever finds the file finds it whole.
	if err := os.WriteFile(path+".new", []byte(key+"\n"), 0o600); err != nil {
		return "", err
	}
	return key, os.Rename(path+".new", path)
}
