package commands

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitae/ledger"
)

// The rules of Mokaru's Update Profile page, one by one.

// TestLimits: a text of exactly the stated length is taken and one more code point is
// not, whatever the characters weigh in bytes and whether they are composed.
func TestLimits(t *testing.T) {
	limits := map[string]int{
		"firstName": 100, "lastName": 100, "phone": 50, "address": 200, "country": 100, "province": 100,
		"driverLicense": 50, "gender": 50, "jobTitle": 200, "summary": 2000, "sector": 100, "employer": 200,
	}
	for field, limit := range limits {
		for _, char := range []string{"a", "é", "e\u0301", "漢", "😀"} {
			w := newProfile(t)
			text := strings.Repeat(char, limit)
			events := w.must(t)(Patch(ledger.Base, mustJSON(map[string]any{field: text})))
			if got := decoded(events[0].Value); got != text {
				t.Errorf("%s: a text of %d characters is not kept as it was typed", field, limit)
			}
			got := w.refused(t)(Patch(ledger.Base, mustJSON(map[string]any{field: text + char})))
			if want := []string{"/" + field + " too_long"}; !slices.Equal(got, want) {
				t.Errorf("%s with %d characters: got %v, want %v", field, limit+1, got, want)
			}
		}
	}
}

// TestLimitsAfterNormalisation: what is stored must fit, not what was typed.
func TestLimitsAfterNormalisation(t *testing.T) {
	for _, field := range []string{"website", "portfolio"} {
		w := newProfile(t)
		host := "a.example/"
		fits := host + strings.Repeat("x", 500-len("https://")-len(host))
		w.must(t)(Patch(ledger.Base, mustJSON(map[string]any{field: fits})))
		w.must(t)(Patch(ledger.Base, mustJSON(map[string]any{field: "https://" + fits})))
		got := w.refused(t)(Patch(ledger.Base, mustJSON(map[string]any{field: fits + "x"})))
		if want := []string{"/" + field + " too_long"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", field, got, want)
		}
	}
	w := newProfile(t)
	local := strings.Repeat("a", 254-len("@b.example"))
	w.must(t)(Patch(ledger.Base, mustJSON(map[string]any{"email": local + "@b.example"})))
	if got := w.refused(t)(Patch(ledger.Base, mustJSON(map[string]any{"email": local + "a@b.example"}))); got[0] != "/email too_long" {
		t.Errorf("email: got %v", got)
	}
}

// TestNullClears: all of the page's scalars but name and address of mail can be cleared,
// and clearing what is not set is nothing.
func TestNullClears(t *testing.T) {
	values := map[string]string{
		"phone": "1", "address": "a", "country": "c", "province": "p", "birthDate": "1990-01-15", "driverLicense": "B",
		"gender": "g", "jobTitle": "j", "summary": "s", "sector": "s", "employer": "e",
		"linkedIn": "jane", "website": "a.example", "portfolio": "b.example",
	}
	for field, v := range values {
		w := newProfile(t)
		w.must(t)(Patch(ledger.Base, mustJSON(map[string]any{field: v})))
		got := show(w.must(t)(Patch(ledger.Base, mustJSON(map[string]any{field: nil}))))
		if want := "clear shared " + field + "\n"; got != want {
			t.Errorf("%s: null gives %q, want %q", field, got, want)
		}
		if got := w.must(t)(Patch(ledger.Base, mustJSON(map[string]any{field: nil}))); len(got) > 0 {
			t.Errorf("%s: clearing twice gives %s", field, show(got))
		}
	}
	for _, field := range []string{"firstName", "lastName", "email"} {
		w := newProfile(t)
		got := w.refused(t)(Patch(ledger.Base, mustJSON(map[string]any{field: nil})))
		if want := []string{"/" + field + " not_clearable"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", field, got, want)
		}
	}
}

// TestNormalisation: a user name or an address without a scheme becomes a URL; what is
// one already stays as it is.
func TestNormalisation(t *testing.T) {
	tests := []struct{ field, typed, want string }{
		{"linkedIn", "jane-smith", "https://linkedin.com/in/jane-smith"},
		{"linkedIn", "https://linkedin.com/in/jane-smith", "https://linkedin.com/in/jane-smith"},
		{"linkedIn", "https://www.linkedin.com/in/jane-smith/", "https://www.linkedin.com/in/jane-smith/"},
		{"linkedIn", "linkedin.com/in/jane", "https://linkedin.com/in/jane"},
		{"website", "jane.example", "https://jane.example"},
		{"website", "http://jane.example", "http://jane.example"},
		{"portfolio", "jane.example/work?x=1", "https://jane.example/work?x=1"},
		{"portfolio", "https://jane.example", "https://jane.example"},
	}
	for _, tt := range tests {
		w := newProfile(t)
		events := w.must(t)(Patch(ledger.Base, mustJSON(map[string]any{tt.field: tt.typed})))
		if got := decoded(events[0].Value); got != tt.want {
			t.Errorf("%s %q is stored as %q, want %q", tt.field, tt.typed, got, tt.want)
		}
		if (events[0].Typed != nil) != (tt.typed != tt.want) {
			t.Errorf("%s %q: what was typed is kept as %s", tt.field, tt.typed, events[0].Typed)
		}
		if again := w.must(t)(Patch(ledger.Base, mustJSON(map[string]any{tt.field: tt.want}))); len(again) > 0 {
			t.Errorf("%s: the stored form is not its own normal form: %s", tt.field, show(again))
		}
	}
}

// pageLists are the page's collections, with an item of all members and one of only those
// that must be there.
var pageLists = []struct{ field, full, least string }{
	{"summaries", `{"title":"t","content":"c"}`, `{"content":"c"}`},
	{"projects", `{"name":"n","description":"d","organisation":"o","startDate":"2020","endDate":"2021-05","isCurrent":false,"url":"u"}`, `{"name":"n","description":"d"}`},
	{"certificates", `{"name":"n","issuer":"i","description":"d","issueDate":"2020-01-02","expiryDate":"2021","credentialId":"c","verificationUrl":"v"}`, `{"name":"n","issuer":"i"}`},
	{"awards", `{"name":"n","organisation":"o","description":"d","date":"2020"}`, `{"name":"n"}`},
	{"publications", `{"name":"n","publisher":"p","date":"2020","url":"u","description":"d"}`, `{"name":"n"}`},
	{"interests", `{"name":"n","description":"d"}`, `{"name":"n"}`},
	{"jobTitles", `{"title":"t"}`, `{"title":"t"}`},
}

// TestPageLists: an array replaces the whole collection of base, [] empties it, absent
// leaves it, null is an error, and every missing member is named.
func TestPageLists(t *testing.T) {
	for _, l := range pageLists {
		w := newProfile(t)
		patch := func(list string) string {
			return show(w.must(t)(Patch(ledger.Base, []byte(`{"`+l.field+`":`+list+`}`))))
		}
		put := "put base " + l.field + " "
		if got, want := patch("["+l.full+"]"), put+"i1001 "+l.full+"\n"; got != want {
			t.Errorf("%s: got %s, want %s", l.field, got, want)
		}
		if got := patch("[" + l.full + "]"); got != "" {
			t.Errorf("%s: the same again gives %s", l.field, got)
		}
		w.must(t)(Patch(ledger.Base, []byte(`{"headline":"other"}`)))
		if n := len(w.p.Items(ledger.Base, l.field)); n != 1 {
			t.Errorf("%s: %d items after a patch without it", l.field, n)
		}
		patch("[" + l.least + "," + l.full + "]")
		if n := len(w.p.Items(ledger.Base, l.field)); n != 2 {
			t.Errorf("%s: %d items, want 2", l.field, n)
		}
		patch("[]")
		if n := len(w.p.Items(ledger.Base, l.field)); n != 0 {
			t.Errorf("%s: %d items after []", l.field, n)
		}
		for body, want := range map[string]string{
			`null`: " not_clearable", `{}`: " wrong_type", `"x"`: " wrong_type", `[1]`: "/0 wrong_type", `[null]`: "/0 wrong_type",
		} {
			got := w.refused(t)(Patch(ledger.Base, []byte(`{"`+l.field+`":`+body+`}`)))
			if got[0] != "/"+l.field+want {
				t.Errorf("%s: %s gives %v", l.field, body, got)
			}
		}
		var missing []string
		for name := range decoded([]byte(l.least)).(map[string]any) {
			missing = append(missing, "/"+l.field+"/0/"+name+" required")
		}
		slices.Sort(missing)
		got := w.refused(t)(Patch(ledger.Base, []byte(`{"`+l.field+`":[{}]}`)))
		slices.Sort(got)
		if diff := cmp.Diff(missing, got); diff != "" {
			t.Errorf("%s: an empty item (-want +got):\n%s", l.field, diff)
		}
	}
}

// TestCaps: 100 items a collection and 50 job titles; one more is refused, in one go and
// one by one.
func TestCaps(t *testing.T) {
	for _, l := range pageLists {
		limit := 100
		if l.field == "jobTitles" {
			limit = 50
		}
		w := newProfile(t)
		list := func(n int) []byte {
			return []byte(`{"` + l.field + `":[` + strings.TrimSuffix(strings.Repeat(l.least+",", n), ",") + `]}`)
		}
		if got := w.refused(t)(Patch(ledger.Base, list(limit+1))); !slices.Equal(got, []string{"/" + l.field + " too_many_items"}) {
			t.Errorf("%s: %d items: %v", l.field, limit+1, got)
		}
		if got := len(w.must(t)(Patch(ledger.Base, list(limit)))); got != limit {
			t.Errorf("%s: %d events for %d items", l.field, got, limit)
		}
		if got := w.refused(t)(AddItem(ledger.Base, l.field, "", []byte(l.least))); !slices.Equal(got, []string{"too_many_items"}) {
			t.Errorf("%s: one more: %v", l.field, got)
		}
		w.must(t)(RemoveItem(ledger.Base, l.field, w.p.Items(ledger.Base, l.field)[7].ID))
		w.must(t)(AddItem(ledger.Base, l.field, "", []byte(l.least)))
	}
}

// TestPhoneCap: the first number counts.
func TestPhoneCap(t *testing.T) {
	w := newProfile(t)
	var list []string
	for i := range 100 {
		list = append(list, fmt.Sprintf(`{"number":"%d"}`, i))
	}
	w.must(t)(Patch(ledger.Base, []byte(`{"phones":[`+strings.Join(list, ",")+`]}`)))
	if got := w.refused(t)(AddItem(ledger.Base, phones, "", []byte(`{"number":"x"}`))); !slices.Equal(got, []string{"too_many_items"}) {
		t.Errorf("one more: %v", got)
	}
}

// TestOnceOnlyListsGrow: what is sent once and never changed does not fill up like a list
// that can be emptied.
func TestOnceOnlyListsGrow(t *testing.T) {
	w := newProfile(t)
	for range 101 {
		w.must(t)(AddItem(ledger.Shared, "jarvi.historyEntries", "", []byte(`{"subject":"Call"}`)))
	}
	if n := len(w.p.Items(ledger.Shared, "jarvi.historyEntries")); n != 101 {
		t.Errorf("%d entries, want 101", n)
	}
	for _, f := range []func(string, string, string) (ledger.Command, error){RemoveItem,
		func(view, field, id string) (ledger.Command, error) {
			return PatchItem(view, field, id, []byte(`{"subject":"x"}`))
		}} {
		w.fails(t, ledger.ErrNotAllowed)(f(ledger.Shared, "jarvi.historyEntries", "i1001"))
	}
}

// TestBodies: what is no object of known fields is refused as a whole.
func TestBodies(t *testing.T) {
	for body, want := range map[string]string{
		``: "invalid_json", `{`: "invalid_json", `{} {}`: "invalid_json", `nul`: "invalid_json", "\"\xff\"": "invalid_json",
		`{"headline":"\ud800"}`: "/headline invalid_json",
		`null`:                  "wrong_type", `"x"`: "wrong_type", `[]`: "wrong_type", `1`: "wrong_type",
		`{}`: "empty", `{"linkedin":"jane"}`: "/linkedin wrong_type", `{"linkedIn":{}}`: "/linkedIn wrong_type",
		`{"FirstName":"J"}`: "/FirstName unknown_field", `{"":1}`: "/ unknown_field", `{"a/b~":1}`: "/a~1b~0 unknown_field",
		`{"nexudus":{"":1}}`: "/nexudus/ unknown_field", `{"nexudus":{"onNewWallPost":"true"}}`: "/nexudus/onNewWallPost wrong_type",
		`{"postpress":{"location.id":"x"}}`: "/postpress/location.id unknown_field",
		`{"jarvi":{"historyEntries":[]}}`:   "/jarvi/historyEntries unknown_field",
	} {
		w := newProfile(t)
		if got := w.refused(t)(Patch(ledger.Base, []byte(body))); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %v, want %s", body, got, want)
		}
	}
}

// TestTooManyEdits: a commit has a limit, and a patch beyond it is refused as a whole.
func TestTooManyEdits(t *testing.T) {
	body := func(n int) []byte {
		custom := map[string]any{}
		for i := range n {
			custom[fmt.Sprintf("2788baea-1119-46d9-8e60-%012x", i)] = "x"
		}
		return mustJSON(map[string]any{"jarvi": map[string]any{"custom": custom}})
	}
	w := newProfile(t)
	w.must(t)(Patch(ledger.Base, body(ledger.MaxEvents)))
	w = newProfile(t)
	if got := w.refused(t)(Patch(ledger.Base, body(ledger.MaxEvents+1))); !slices.Equal(got, []string{"too_many_items"}) {
		t.Errorf("got %v", got)
	}
}
