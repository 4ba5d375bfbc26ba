package harness

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"
)

// Token draws a member token for the stand-in LinkedIn.
func Token() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand stops the program instead
	return "AQ" + hex.EncodeToString(b[:])
}

// LinkedIn is what the stand-in holds of a member.
func LinkedIn(t testing.TB, base, token, person string) map[string]any {
	t.Helper()
	var got map[string]any
	NewClient(t, base, token).Must(http.StatusOK, http.MethodGet, "/v2/people/(id:"+person+")", nil, "X-RestLi-Protocol-Version", "2.0.0").Into(t, &got)
	return got
}

// Texts are the values of a member's section, one text of each item in its order there:
// the one in the first locale.
func Texts(t testing.TB, member map[string]any, section, name string) []string {
	t.Helper()
	var out []string
	items, _ := member[section].([]any)
	for _, it := range items {
		m, _ := it.(map[string]any)
		text, _ := m[name].(map[string]any)
		localized, _ := text["localized"].(map[string]any)
		for _, v := range localized {
			out = append(out, fmt.Sprint(v))
			break
		}
	}
	return out
}
