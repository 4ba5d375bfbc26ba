package test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"vitae/ledger"
	"vitae/test/harness"
)

// pair is one way to edit a field: in a dialect, where it has a home there.
type pair struct {
	field   ledger.Field
	dialect string // "native" or a provider
	home    ledger.Home
	locale  string // of the variant that is edited; "" for the plain field
}

// name is the pair's in the tables: "headline via linkedin", or with the place where a
// dialect has several for one field.
func (p pair) name() string {
	name := p.field.Name
	if p.locale != "" {
		name += "@" + p.locale
	}
	name += " via " + p.dialect
	if p.order() {
		name += " order"
	}
	return name
}

// order says that the pair is about the order of a collection.
func (p pair) order() bool { return p.field.IsList() && strings.HasSuffix(p.home.As, "Order") }

// untried are the pairs that cannot be tried, with the reason.
var untried = map[string]string{
	"name via native":                 "it is the name of a resume, which no provider has: the resumes' own route sets it",
	"phone.type via native":           "it is the member type of the first of phones, which is tried",
	"jarvi.historyEntries via native": "what a provider is told once is no part of the profile: the native API has no word for it, Jarvi's dialect has",
	"jarvi.resumesFiles via native":   "as the history",
	"jarvi.files via native":          "as the history",
	"firstName via nexudus":           "one name is not taken apart: FullName is displayName, which is tried",
	"lastName via nexudus":            "as firstName",
}

// pairs are all ways to edit all fields, out of the catalogue. A request of Mokaru's page is a
// native one: only its item routes are ways of their own.
func pairs(t *testing.T) []pair {
	t.Helper()
	var all []pair
	for _, f := range ledger.Catalogue() {
		all = append(all, pair{field: f, dialect: "native"})
		if f.Localized {
			all = append(all, pair{field: f, dialect: "native", locale: variant(f)})
		}
		for _, h := range f.Homes {
			if h.How == ledger.NotCarried || h.Provider == ledger.Mokaru && !strings.HasPrefix(h.As, "/") {
				continue
			}
			all = append(all, pair{field: f, dialect: h.Provider, home: h})
			if f.Localized && h.Provider == ledger.LinkedIn {
				all = append(all, pair{field: f, dialect: h.Provider, home: h, locale: variant(f)})
			}
		}
	}
	for name := range untried {
		n := len(all)
		all = slices.DeleteFunc(all, func(p pair) bool { return p.name() == name })
		if len(all) == n {
			t.Errorf("%s is no way to edit anything", name)
		}
	}
	return all
}

// variant is the locale that a field is tried in. LinkedIn has sounds of names for Japanese only.
func variant(f ledger.Field) string {
	if strings.HasPrefix(f.Name, "linkedin.phonetic") {
		return "ja_JP"
	}
	return "fr_FR"
}

// before is what the profile has before the edit, beside what every one has.
func (p pair) before(t *testing.T, s subject) map[string]any {
	t.Helper()
	name, doc := p.field.Name, map[string]any{}
	switch {
	case p.locale != "" && p.field.Provider == "" && p.field.Clearable && name != "city" && name != "country":
		doc[name] = "Old"
	case p.order():
		doc[name] = two(t, p.field)
	case strings.HasPrefix(name, "linkedin.phonetic") && p.locale == "" && p.dialect == "native":
		doc["linkedin"] = map[string]any{strings.TrimPrefix(name, "linkedin.") + "@ja_JP": "ジェン"}
	case name == "linkedin.location.postalCode", name == "linkedin.location.standardizedLocationUrn":
		doc["linkedin"] = map[string]any{"location": map[string]any{"countryCode": "us"}}
	case name == "portfolio" && p.dialect != ledger.PostPress: // PostPress has one link: the one that the profile says
		doc["postpress"] = map[string]any{"customLink": map[string]any{"type": "PORTFOLIO"}}
	case name == "websites" && p.dialect != ledger.PostPress:
		doc["postpress"] = map[string]any{"customLink": map[string]any{"type": "BLOG"}}
	case name == "linkedin.imsOrder":
		doc["linkedin"] = map[string]any{"ims": map[string]any{"jane-x": map[string]any{"id": "jane-x", "provider": "SKYPE"}, "jane-y": map[string]any{"id": "jane-y", "provider": "ICQ"}}}
	case name == "phone.type":
		doc["phones"] = []any{map[string]any{"number": "+33 2 40 49 37 73"}}
	case name == "phones":
		doc["phone"] = "+33 2 40 49 37 73"
	case strings.HasPrefix(name, "postpress.pictureSettings."):
		doc["picture"] = keptFile(t, s, "old.png")
	case strings.HasPrefix(name, "postpress.coverPictureSettings."):
		doc["coverPicture"] = keptFile(t, s, "old.png")
	case name == "postpress.customLink.displayOn":
		doc["website"], doc["postpress"] = "https://old.example.org", map[string]any{"customLink": map[string]any{"type": "WEBSITE"}}
	case name == "postpress.customLink.type":
		doc["websites"], doc["website"] = []any{map[string]any{"url": "https://old.example.org", "category": "BLOG"}}, "https://old.example.org"
	}
	return doc
}

// two are items of a collection, so that there is an order.
func two(t *testing.T, f ledger.Field) []any {
	t.Helper()
	var items []map[string]any
	if err := json.Unmarshal([]byte(native(f)), &items); err != nil {
		t.Fatal(err)
	}
	other := map[string]any{}
	for name, v := range items[0] {
		other[name] = v
	}
	other[f.NaturalKey[0]] = fmt.Sprint(other[f.NaturalKey[0]], " II")
	return []any{items[0], other}
}

// calls are the requests of the pair.
func (p pair) calls(t *testing.T, s subject) []call {
	t.Helper()
	if p.locale == "" {
		return edits(t, p.field, p.dialect, p.home, s)
	}
	if p.dialect == "native" {
		return []call{{method: "PATCH", path: "/v1/profile", body: nested(p.field.Name+"@"+p.locale, `"Nouveau"`), status: 200}}
	}
	old := map[string]string{"firstName": "Jane", "lastName": "Smith"}[p.field.Name]
	text := func(s string) string {
		if p.field.Name == "summary" {
			return fmt.Sprintf(`{"rawText":%q}`, s)
		}
		return fmt.Sprintf("%q", s)
	}
	locales := fmt.Sprintf(`"en_US":%s,"%s":%s`, text(cmp.Or(old, "Old")), p.locale, text("Nouveau"))
	member, _, _ := strings.Cut(p.home.As, ".")
	return []call{restli(s.account, "", fmt.Sprintf(`{"patch":{"$set":{%q:{"localized":{%s},%s}}}}`, member, locales, enUS), 200)}
}

// wants says how many writes an edit makes at each provider: one where the field is carried,
// and none elsewhere.
func (p pair) wants() map[string]int {
	out := map[string]int{}
	for _, h := range p.field.Homes {
		if h.How != ledger.NotCarried && (p.locale == "" || h.Provider == ledger.LinkedIn) {
			out[h.Provider] = 1
		}
	}
	for _, e := range exceptions {
		if !e.when(p) {
			continue
		}
		for provider, n := range e.writes {
			out[provider] = n
		}
	}
	return out
}

// exceptions are the edits that are no one write at each provider that carries the field.
var exceptions = []struct {
	why    string
	when   func(p pair) bool
	writes map[string]int
}{
	{"LinkedIn registers and takes two images, and then one patch",
		func(p pair) bool { return p.field.Kind == ledger.KindFile }, map[string]int{ledger.LinkedIn: 5}},
	{"Mokaru's item routes have no order",
		func(p pair) bool {
			return p.order() && len(p.field.HomesAt(ledger.Mokaru)) > 0 && strings.HasPrefix(p.field.HomesAt(ledger.Mokaru)[0].As, "/")
		}, map[string]int{ledger.Mokaru: 0}},
	{"PostPress wants months", func(p pair) bool { return p.name() == "educations via linkedin" }, map[string]int{ledger.PostPress: 0}},
	{"PostPress has no order of entries",
		func(p pair) bool {
			return p.order() && (p.field.Name == "workExperiences" || p.field.Name == "educations")
		}, map[string]int{ledger.PostPress: 0}},
}

// parked are the edits that a provider cannot take, with the reason that it says.
var parked = map[string]struct{ provider, reason string }{
	"educations via linkedin": {ledger.PostPress, "educations[].startDate has no month"}, // LinkedIn's educations have years only
}

// TestEveryFieldByEveryDialect: one edit of each field, made in each dialect that has it,
// is one write at every provider that carries it and none at the others, with the value
// that the profile has then; and the same request again is no call at all.
func TestEveryFieldByEveryDialect(t *testing.T) {
	all := pairs(t)
	sandbox := harness.StartSandbox(t, "--requests-per-minute", "0")
	s := harness.Start(t, harness.Options{Config: five(sandbox)})
	admin := s.Admin()
	subjects, credentials, requests := make([]subject, len(all)), make([]map[string]string, len(all)), make([][]call, len(all))
	each(len(all), func(i int) {
		id := admin.Create(map[string]any{"firstName": "Jane", "lastName": "Smith", "email": "jane@example.com", "city": "Rennes", "country": "France",
			"postpress": map[string]any{"location": map[string]any{"id": "103035651"}}})
		key, _ := admin.NewKey(id, "client", "profile:read", "profile:write")
		subjects[i] = subject{id, "acc" + strings.ToLower(id), s.Client(key)}
		if doc := all[i].before(t, subjects[i]); len(doc) > 0 {
			admin.Must(200, patch, harness.Profile(id), doc)
		}
		credentials[i] = connectFive(t, admin, id)
	})
	rested := func(when string) {
		t.Helper()
		if s.CLI("sink", "wait", "--timeout", "120s").Code == 0 {
			return
		}
		for _, provider := range ledger.Providers() {
			for _, e := range admin.Must(200, get, "/v1/sinks/"+provider+"/parked", nil).List(t) {
				name := all[slices.IndexFunc(subjects, func(s subject) bool { return s.id == e["profile"] })].name()
				if known := parked[name]; when == "before" || known.provider != provider || !strings.Contains(fmt.Sprint(e["reason"]), known.reason) {
					t.Errorf("%s %s: parked at %s: %v", when, name, provider, e["reason"])
				}
			}
		}
	}
	rested("before")
	before := countsOf(t, sandbox)
	each(len(all), func(i int) {
		requests[i] = all[i].calls(t, subjects[i])
		if len(requests[i]) == 0 {
			t.Errorf("%s: there is no request for it, nor a reason why it cannot be tried", all[i].name())
		}
	})
	send := func() {
		t.Helper()
		each(len(all), func(i int) {
			for n, c := range requests[i] {
				// A create is the same one when it comes again with its key.
				c = c.with("Idempotency-Key", fmt.Sprintf("%s-%d", subjects[i].id, n))
				if r := subjects[i].as.Try(c.method, c.path, c.body, c.headers...); r.Status != c.status {
					t.Errorf("%s: %s %s: %d %s", all[i].name(), c.method, c.path, r.Status, r.Body)
				}
			}
		})
		rested("after")
	}
	send()
	after := countsOf(t, sandbox)
	each(len(all), func(i int) {
		p, h := all[i], admin.MustHistory(subjects[i].id)
		last := h[len(h)-1]
		if via := cmp.Or(last.Via, "native"); via != p.dialect && (p.dialect != ledger.Mokaru || via != "native") {
			t.Errorf("%s: the last commit came through %s", p.name(), via)
		}
		doc := admin.Read(subjects[i].id, "")
		for _, h := range p.field.Homes {
			v, text := doc[p.field.Name].(string)
			if !text || p.locale != "" || h.How != ledger.Sent || p.field.Kind == ledger.KindFile || p.field.Kind == ledger.KindDay {
				continue // it has another form there
			}
			if has := accountAt(t, sandbox, h.Provider, credentials[i][h.Provider]); !strings.Contains(has, v) {
				t.Errorf("%s: %s has %s, and not %q", p.name(), h.Provider, has, v)
			}
		}
		wants := p.wants()
		for _, provider := range ledger.Providers() {
			credential := credentials[i][provider]
			if got := after.of(provider, credential).Writes - before.of(provider, credential).Writes; got != wants[provider] {
				t.Errorf("%s: %d writes at %s, want %d", p.name(), got, provider, wants[provider])
			}
		}
	})
	send()
	for key, a := range countsOf(t, sandbox) {
		if n := a.Requests - after[key].Requests; n != 0 {
			t.Errorf("%s: %d requests for nothing", key, n)
		}
	}
}

// accountAt is what a stand-in holds of an account, as JSON.
func accountAt(t *testing.T, s *harness.Sandbox, provider, credential string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(credential))
	root := strings.TrimSuffix(s.URL("mokaru"), "/mokaru")
	r := harness.NewClient(t, root, "").Must(200, get, "/_sandbox/"+provider+"/accounts/"+hex.EncodeToString(sum[:])[:8], nil)
	var v any
	r.Into(t, &v)
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// each runs f for 0 to n-1, some at once. One that fails its test does not stop the others.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	turns := make(chan struct{}, 8)
	for i := range n {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			f(i)
		})
	}
	wg.Wait()
}
