package harness

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Credential draws a key in the form that Mokaru's have.
func Credential() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand stops the program instead
	return "mk_" + hex.EncodeToString(b[:])
}

// MokaruScalars and MokaruLists are what Mokaru's Update Profile page names.
func MokaruScalars() []string {
	return []string{"firstName", "lastName", "email", "phone", "address", "country", "province", "birthDate", "driverLicense", "gender",
		"jobTitle", "summary", "sector", "employer", "linkedIn", "website", "portfolio"}
}

// MokaruLists are the collections that the profile's update replaces whole.
func MokaruLists() []string {
	return []string{"summaries", "projects", "certificates", "awards", "publications", "interests", "jobTitles"}
}

// MokaruDiffers compares what the stand-in has under a credential with a profile's document (of the resume that is
// sent there); "" when they are the same, every item once and in order.
func MokaruDiffers(t testing.TB, base, credential string, doc map[string]any) string {
	t.Helper()
	c := NewClient(t, base, credential)
	got := c.Must(http.StatusOK, http.MethodGet, "/v1/profile", nil).Data(t)
	want, have := map[string]any{}, map[string]any{}
	for _, name := range MokaruScalars() {
		put(want, name, doc[name])
		put(have, name, got[name])
	}
	for _, name := range MokaruLists() {
		put(want, name, items(doc[name]))
		put(have, name, items(got[name]))
	}
	return cmp.Diff(want, have)
}

func put(m map[string]any, name string, v any) {
	switch v := v.(type) {
	case nil:
	case []any:
		if len(v) > 0 {
			m[name] = v
		}
	case string:
		m[name] = day(v)
	default:
		m[name] = v
	}
}

// day takes the time away that Mokaru gives back with a day.
func day(s string) string { return strings.TrimSuffix(s, "T00:00:00.000Z") }

// items are the entries of a list without what each side adds for itself, and without what is not said.
func items(list any) any {
	entries, _ := list.([]any)
	var out []any
	for _, e := range entries {
		m, ok := e.(map[string]any)
		if !ok {
			out = append(out, e)
			continue
		}
		m = maps.Clone(m)
		for _, own := range []string{"id", "displayOrder", "createdAt", "updatedAt", "linkedin", "postpress", "nexudus", "jarvi"} {
			delete(m, own)
		}
		for name, v := range m {
			l, isList := v.([]any)
			if s, ok := v.(string); ok {
				m[name] = day(s)
			} else if v == nil || v == false || isList && len(l) == 0 {
				delete(m, name)
			}
		}
		out = append(out, m)
	}
	if out == nil {
		return nil
	}
	return out
}
