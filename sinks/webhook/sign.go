package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// SecretText is a secret as its owner gets it: "whsec_" and base64.
func SecretText(s Secret) string { return "whsec_" + base64.StdEncoding.EncodeToString(s.Value) }

// PublicKeyText is the key that checks v1a signatures: "whpk_" and base64.
func (e *Endpoint) PublicKeyText() string {
	key := ed25519.NewKeyFromSeed(e.Signing).Public().(ed25519.PublicKey)
	return "whpk_" + base64.StdEncoding.EncodeToString(key)
}

// signatures is the header webhook-signature: one v1 for each secret that counts at now, and
// one v1a, with spaces between them.
func (e *Endpoint) signatures(id string, now time.Time, body []byte) string {
	content := []byte(id + "." + strconv.FormatInt(now.Unix(), 10) + ".")
	content = append(content, body...)
	var out []string
	for _, s := range e.Secrets {
		if !s.Until.IsZero() && !now.Before(s.Until) {
			continue
		}
		mac := hmac.New(sha256.New, s.Value)
		mac.Write(content)
		out = append(out, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	signed := ed25519.Sign(ed25519.NewKeyFromSeed(e.Signing), content)
	return strings.Join(append(out, "v1a,"+base64.StdEncoding.EncodeToString(signed)), " ")
}
