package backup

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// The kinds of seals, as a manifest says them.
const (
	SealedByKeys       = "keys"
	SealedByRecipients = "recipients"
	SealedByPassphrase = "passphrase"
)

// Seal says for whom files are sealed. The zero Seal is the ledger's own keys.
type Seal struct {
	Recipients []string `json:"recipients,omitempty"` // age1...
	Passphrase string   `json:"passphrase,omitempty"`
}

// Check says what is wrong with it, in the words of whoever gave it.
func (s Seal) Check() error {
	if len(s.Recipients) > 0 && s.Passphrase != "" {
		return errors.New("give recipients or a passphrase, not both")
	}
	for _, r := range s.Recipients {
		if _, err := age.ParseRecipients(strings.NewReader(r)); err != nil {
			return errors.New("a recipient is a public key of age, as age-keygen prints it")
		}
	}
	if s.Passphrase != "" && len(s.Passphrase) < minPassphrase {
		return fmt.Errorf("a passphrase has %d characters or more", minPassphrase)
	}
	return nil
}

const minPassphrase = 12

func (s Seal) kind() string {
	switch {
	case len(s.Recipients) > 0:
		return SealedByRecipients
	case s.Passphrase != "":
		return SealedByPassphrase
	}
	return SealedByKeys
}

// recipients are whom a file is sealed for; own is the ledger's key for it.
func (s Seal) recipients(own ownKey) ([]age.Recipient, error) {
	switch s.kind() {
	case SealedByRecipients:
		var out []age.Recipient
		for _, text := range s.Recipients {
			r, err := age.ParseRecipients(strings.NewReader(text))
			if err != nil {
				return nil, errors.New("a recipient cannot be read")
			}
			out = append(out, r...)
		}
		return out, nil
	case SealedByPassphrase:
		r, err := age.NewScryptRecipient(s.Passphrase)
		return []age.Recipient{r}, err
	}
	return []age.Recipient{own}, nil
}

// ownKey seals a file's key under a key of the ledger. It is a recipient and an identity
// of age, with a stanza of its own: vitae-<name>, the nonce and the sealed key in its body.
type ownKey struct {
	name string // "master" or "system"
	key  [32]byte
}

// masterOwn derives the key of keys files from the master key.
func masterOwn(master []byte) (ownKey, error) {
	k, err := hkdf.Key(sha256.New, master, nil, "vitae/1/backup keys", 32)
	if err != nil {
		return ownKey{}, err
	}
	return ownKey{"master", [32]byte(k)}, nil
}

// digester is the part of the vault that has the system's key.
type digester interface {
	SystemDigest(purpose string, data ...[]byte) [32]byte
}

// systemOwn derives the key of data files from the system's keyset.
func systemOwn(v digester) ownKey {
	return ownKey{"system", v.SystemDigest("backup data")}
}

func (k ownKey) stanza() string { return "vitae-" + k.name }

func (k ownKey) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Wrap implements age.Recipient.
func (k ownKey) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{{Type: k.stanza(), Body: aead.Seal(nil, nil, fileKey, []byte(k.stanza()))}}, nil
}

// Unwrap implements age.Identity.
func (k ownKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	for _, s := range stanzas {
		if s.Type != k.stanza() {
			continue
		}
		if key, err := aead.Open(nil, nil, s.Body, []byte(k.stanza())); err == nil {
			return key, nil
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// Unseal is what opens files that are not sealed by the ledger's own keys.
type Unseal struct {
	Identities []age.Identity
	Passphrase string
}

// ParseIdentities reads a file of age identities.
func ParseIdentities(r io.Reader) ([]age.Identity, error) {
	ids, err := age.ParseIdentities(r)
	if err != nil {
		return nil, errors.New("the identity file is not one of age: AGE-SECRET-KEY-1... on a line")
	}
	return ids, nil
}

// open gives the frames of a file behind its manifest.
func (u Unseal) open(r io.Reader, m *Manifest, own ownKey) (io.Reader, error) {
	var ids []age.Identity
	switch m.Sealed {
	case SealedByKeys:
		ids = []age.Identity{own}
	case SealedByRecipients:
		if ids = u.Identities; len(ids) == 0 {
			return nil, errors.New("the backup is sealed for recipients: give the file of an identity")
		}
	case SealedByPassphrase:
		if u.Passphrase == "" {
			return nil, errors.New("the backup is sealed with a passphrase: give it")
		}
		id, err := age.NewScryptIdentity(u.Passphrase)
		if err != nil {
			return nil, err
		}
		ids = []age.Identity{id}
	default:
		return nil, refused("sealed in a way that this program does not know")
	}
	plain, err := age.Decrypt(r, ids...)
	var wrong *age.NoIdentityMatchError
	switch {
	case errors.As(err, &wrong) && m.Sealed == SealedByKeys && own.name == "master":
		return nil, refused("the keys file was sealed under another master key, or was changed")
	case errors.As(err, &wrong):
		return nil, refused("what was given does not open it: it is sealed for somebody else, or was changed")
	case err != nil:
		return nil, refused("the seal: %w", err)
	}
	return plain, nil
}
