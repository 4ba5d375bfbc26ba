package vault

import "encoding/binary"

// SystemDigest is a keyed hash (HMAC-SHA256) under the system's key, for look-ups
// across profiles. It does not change when the master key is rotated.
func (v *Vault) SystemDigest(purpose string, data ...[]byte) [32]byte {
	d, err := v.system.digest(purpose, data)
	if err != nil {
		// HKDF fails only for outputs of more than 255 hashes; ours is one.
		panic(err)
	}
	return d
}

// SealSystem encrypts what belongs to no profile; it opens under the same purpose and
// id only.
func (v *Vault) SealSystem(purpose, id string, plain []byte) ([]byte, error) {
	return v.system.sealAs(forSystem, plain, named(purpose, id))
}

// OpenSystem decrypts what SealSystem made. ErrCorrupt when it was changed or is of
// another purpose or id.
func (v *Vault) OpenSystem(purpose, id string, sealed []byte) ([]byte, error) {
	return v.system.openAs(forSystem, sealed, named(purpose, id))
}

// named joins two names so that no other two give the same bytes.
func named(a, b string) []byte {
	out := binary.BigEndian.AppendUint64(nil, uint64(len(a)))
	return append(append(out, a...), b...)
}
