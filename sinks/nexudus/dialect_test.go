package nexudus

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitae/ledger"
	"vitae/sinks"
)

// state is an opened profile that is connected to a portal.
func state() *ledger.Profile {
	p := ledger.NewProfile(ledger.NewProfileID(time.Now()))
	p.Seq = 1
	p.Resumes[ledger.Base] = &ledger.Resume{ID: ledger.Base, Fields: map[string]ledger.Cell{}, Collections: map[string]*ledger.Collection{}}
	bind(p, ledger.Base)
	return p
}

func bind(p *ledger.Profile, resume string) {
	p.Connections[ledger.Nexudus] = ledger.Cell{Seq: 1, Value: ledger.Value(fmt.Sprintf(`{"account":null,"settings":{"resume":%q}}`, resume))}
}

// fataler is what the helpers need of a test; rapid's is one too.
type fataler interface{ Fatalf(string, ...any) }

// set gives scalars values as a request would: what the catalogue refuses is no test.
func set(t fataler, p *ledger.Profile, values ...string) {
	for i := 0; i < len(values); i += 2 {
		f, _, ok := ledger.Lookup(values[i])
		n, err := ledger.ParseJSON([]byte(values[i+1]))
		if !ok || err != nil {
			t.Fatalf("%s: %v, %v", values[i], ok, err)
		}
		v, _, errs := f.Check(n, "/x")
		if len(errs) > 0 {
			t.Fatalf("%s: %v", values[i], errs)
		}
		p.Shared[values[i]] = ledger.Cell{Value: v}
	}
}

func list(p *ledger.Profile, name string, items ...string) {
	c := &ledger.Collection{Items: map[string]ledger.Cell{}}
	for i, v := range items {
		id := fmt.Sprintf("i%d", i)
		c.Order = append(c.Order, id)
		c.Items[id] = ledger.Cell{Value: ledger.Value(v)}
	}
	if name == "phones" {
		p.Lists[name] = c
		return
	}
	p.Resumes[ledger.Base].Collections[name] = c
}

// request is what is asked of the portal for a profile; sent was there before. The number
// of the country is 99, and that of the bills' country 1220.
func made(t fataler, p *ledger.Profile, sent ...string) string {
	out, err := build(Entity, p, sinks.Have{Fields: sent})
	if err != nil {
		t.Fatalf("%v", err)
	}
	body, err := parseBody(out.Body)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(compose(body, out.Clears, map[string]string{countryID: "99", billingID: "1220"}))
}

func everyName() (out []string) {
	for _, f := range fields {
		out = append(out, f.name)
	}
	return out
}

// full has something in every field that the portal knows.
func full(t fataler) *ledger.Profile {
	p := state()
	set(t, p, "firstName", `"Jane"`, "lastName", `"Doe \"J\""`, "nickName", `"Jay"`, "gender", `"female"`, "birthDate", `"1990-06-15"`, "phone", `"+44 1"`,
		"landline", `"+44 2"`, "address", `"1 Road"`, "postalCode", `"N1"`, "city", `"London"`, "province", `"Greater London"`, "country", `"United Kingdom"`,
		"jobTitle", `"Designer"`, "employer", `"Acme"`, "sector", `"Design"`, "summary", `"**Bio**\nin two lines"`, "website", `"https://jane.example"`,
		"linkedIn", `"https://linkedin.com/in/jane"`, "twitter", `"@jane"`, "github", `"jane"`, "instagram", `"jane.i"`, "facebook", `"jane.f"`, "skype", `"jane.s"`,
		"telegram", `"jane.t"`, "nexudus.billingName", `"Acme Ltd"`, "nexudus.billingEmail", `"pay@acme.example"`, "nexudus.billingAddress", `"2 Road"`,
		"nexudus.billingPostCode", `"N2"`, "nexudus.billingCityName", `"Leeds"`, "nexudus.billingState", `"Yorkshire"`, "nexudus.billingCountryId", `826`,
		"nexudus.taxIDNumber", `"GB 1"`, "nexudus.profileIsPublic", `true`, "nexudus.onHelpDeskMsg", `false`, "nexudus.onNewWallPost", `true`,
		"nexudus.onNewBlogComment", `false`, "nexudus.onNewEventComment", `true`, "nexudus.receiveCommunityDigest", `false`, "nexudus.signUpToNewsletter", `false`)
	list(p, "skills", `{"name":"Go","category":"x"}`, `{"name":"C++"}`)
	return p
}

const golden = `{"FullName":"Jane Doe \"J\"","NickName":"Jay","Gender":"female","DateOfBirth":"1990-06-15","MobilePhone":"+44 1","LandLine":"+44 2","Address":"1 Road",` +
	`"PostCode":"N1","CityName":"London","State":"Greater London","CountryId":99,"BillingName":"Acme Ltd","BillingEmail":"pay@acme.example","BillingAddress":"2 Road",` +
	`"BillingPostCode":"N2","BillingCityName":"Leeds","BillingState":"Yorkshire","BillingCountryId":1220,"TaxIDNumber":"GB 1","Position":"Designer",` +
	`"CompanyName":"Acme","BusinessArea":"Design","ProfileSummary":"**Bio**\nin two lines","ProfileWebsite":"https://jane.example","ProfileIsPublic":true,` +
	`"ProfileTags":"Go, C++","Twitter":"@jane","Linkedin":"https://linkedin.com/in/jane","Github":"jane","Instagram":"jane.i","Facebook":"jane.f","Skype":"jane.s",` +
	`"Telegram":"jane.t","OnHelpDeskMsg":false,"OnNewWallPost":true,"OnNewBlogComment":false,"OnNewEventComment":true,"ReceiveCommunityDigest":false,"SignUpToNewsletter":false}`

func TestGoldenBody(t *testing.T) {
	p := full(t)
	if got := made(t, p); got != golden {
		t.Errorf("got  %s\nwant %s", got, golden)
	}
	one, err1 := build(Entity, p, sinks.Have{})
	two, err2 := build(Entity, p, sinks.Have{})
	if err1 != nil || err2 != nil || !reflect.DeepEqual(one, two) || !slices.Equal(one.Fields, everyName()) {
		t.Errorf("two builds differ, or a field is missing: %+v %v %v", one.Fields, err1, err2)
	}
	if got := made(t, state(), everyName()...); strings.Contains(got, "assword") || strings.Contains(got, "FullName") || strings.Contains(got, "CountryId") || strings.Contains(got, "Public") {
		t.Errorf("%s", got)
	}
	if out, err := build(Entity, state(), sinks.Have{Fields: []string{fullName, countryID, "ProfileIsPublic"}}); err != nil || out.Body != nil || out.Clears != nil {
		t.Errorf("nothing to be said: %+v, %v", out, err)
	}
}

func TestNames(t *testing.T) {
	p := state()
	set(t, p, "lastName", `"Doe"`)
	if got := made(t, p); got != `{"FullName":"Doe"}` {
		t.Errorf("%s", got)
	}
	set(t, p, "firstName", `"Jane"`, "firstName@fr_FR", `"Jeanne"`, "displayName", `"J. D."`)
	if got := made(t, p); got != `{"FullName":"J. D."}` {
		t.Errorf("%s", got)
	}
	delete(p.Shared, "displayName")
	if got := made(t, p, fullName); got != `{"FullName":"Jane Doe"}` {
		t.Errorf("%s", got)
	}
}

func TestFirstPhone(t *testing.T) {
	p := state()
	list(p, "phones", `{"number":"2","type":"WORK"}`, `{"number":"3"}`)
	if got := made(t, p); got != `{"MobilePhone":"2"}` {
		t.Errorf("%s", got)
	}
	set(t, p, "phone", `"1"`)
	if got := made(t, p); got != `{"MobilePhone":"1"}` {
		t.Errorf("%s", got)
	}
}

// TestTrap24NullOnlyWhereItIsLegal: null empties Position and its like; CompanyName, State
// and ProfileTags are emptied by an empty text; a name, a country and a switch are left out.
func TestTrap24NullOnlyWhereItIsLegal(t *testing.T) {
	const want = `{"NickName":null,"Gender":"","DateOfBirth":null,"MobilePhone":null,"LandLine":null,"Address":"","PostCode":"","CityName":"","State":"",` +
		`"BillingName":"","BillingEmail":"","BillingAddress":null,"BillingPostCode":null,"BillingCityName":null,"BillingState":null,"TaxIDNumber":"","Position":null,` +
		`"CompanyName":"","BusinessArea":null,"ProfileSummary":null,"ProfileWebsite":null,"ProfileTags":"","Twitter":null,"Linkedin":null,"Github":null,` +
		`"Instagram":null,"Facebook":null,"Skype":null,"Telegram":null}`
	if got := made(t, state(), everyName()...); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := compose(ledger.Node{}, nil, nil); got != nil {
		t.Errorf("absent is unchanged: %s", got)
	}
}

// TestTrap25FalseIsSent: a switch that is off is in the body, and in what is compared.
func TestTrap25FalseIsSent(t *testing.T) {
	p := state()
	set(t, p, "nexudus.profileIsPublic", `false`)
	out, err := build(Entity, p, sinks.Have{})
	if err != nil || string(out.Body) != `{"ProfileIsPublic":false}` || string(out.Echo) != `{"ProfileIsPublic":false}` {
		t.Errorf("%s %s %v", out.Body, out.Echo, err)
	}
	if got := string(echo(ledger.Node{Kind: ledger.NodeObject}, out.Fields)); got == string(out.Echo) {
		t.Error("a switch that is not shown is taken for one that is off")
	}
}

func TestUnsendable(t *testing.T) {
	p := state()
	list(p, "skills", `{"name":"Go, C"}`)
	why := (*sinks.Unsendable)(nil)
	if _, err := build(Entity, p, sinks.Have{}); !errors.As(err, &why) || strings.Contains(why.Why, "Go") {
		t.Errorf("%v", err)
	}
	p = state()
	bind(p, "gone")
	if _, err := build(Entity, p, sinks.Have{}); !errors.As(err, &why) {
		t.Errorf("a resume that is gone: %v", err)
	}
	if _, err := build("other", state(), sinks.Have{}); err == nil || errors.As(err, &why) {
		t.Errorf("%v", err)
	}
}

// TestFieldsAreTheCatalogues: each home of the catalogue at Nexudus is a field of ours, and
// is cleared as the catalogue says.
func TestFieldsAreTheCatalogues(t *testing.T) {
	clears := map[clearing]ledger.Clear{never: ledger.ClearNever, null: ledger.ClearNull, empty: ledger.ClearEmpty}
	seen := map[string]bool{}
	for _, f := range ledger.Catalogue() {
		for _, h := range f.HomesAt(ledger.Nexudus) {
			if h.How == ledger.NotCarried {
				continue
			}
			i := slices.IndexFunc(fields, func(g field) bool { return g.name == h.As })
			if i < 0 {
				t.Errorf("%s: no field %s", f.Name, h.As)
				continue
			}
			seen[h.As] = true
			if h.Clear != "" && h.Clear != clears[fields[i].clear] {
				t.Errorf("%s is cleared by %s, not %v", h.As, h.Clear, fields[i].clear)
			}
			if lanes, all := concerns(&ledger.Event{View: f.View, Field: f.Name}); len(lanes) != 1 || all {
				t.Errorf("%s: %v %v", f.Name, lanes, all)
			}
		}
	}
	if len(seen) != len(fields) {
		t.Errorf("%d of %d fields", len(seen), len(fields))
	}
	for _, e := range []ledger.Event{{Field: "headline"}, {Field: "firstName@fr_FR"}, {Field: ledger.Connections, Item: ledger.Mokaru}} {
		if lanes, all := concerns(&e); len(lanes) > 0 || all {
			t.Errorf("%s: %v", e.Field, lanes)
		}
	}
	for _, e := range []ledger.Event{{}, {Field: ledger.Connections, Item: ledger.Nexudus}} {
		if _, all := concerns(&e); !all {
			t.Errorf("%q concerns not all", e.Field)
		}
	}
}

func TestReadForms(t *testing.T) {
	for _, c := range []struct{ field, read, want string }{
		{birthday, `"1990-06-15T00:00:00"`, `"1990-06-15"`}, {birthday, `"1990-06-15T00:00:00.000Z"`, `"1990-06-15"`}, {birthday, `"1990-06-15T01:00:00"`, `"1990-06-15T01:00:00"`},
		{gender, `3`, `"Female"`}, {gender, `"x"`, `"x"`}, {gender, `9`, `9`}, {gender, `1`, ``},
		{tags, `"a,b , c"`, `["a","b","c"]`}, {tags, `["a"," b"]`, `["a","b"]`}, {tags, `[]`, ``}, {tags, `""`, ``}, {tags, `[1]`, `[1]`}, {tags, `7`, `7`},
		{"Position", `null`, ``}, {"Position", `""`, ``}, {"ProfileIsPublic", `false`, `false`}, {"BillingCountryId", `7`, `7`},
	} {
		n, err := ledger.ParseJSON([]byte(`{"Unknown":1,"` + c.field + `":` + c.read + `}`))
		if err != nil {
			t.Fatal(err)
		}
		want := `{}`
		if c.want != "" {
			want = `{"` + c.field + `":` + c.want + `}`
		}
		if got := string(echo(n, everyName())); got != want {
			t.Errorf("%s %s: %s", c.field, c.read, got)
		}
		if got := string(echo(n, nil)); got != `{}` {
			t.Errorf("not asked for: %s", got)
		}
	}
}

// TestReadsAsBuilt: once the portal has taken the requests, whatever the state was before,
// a read gives the echo of what was built.
func TestReadsAsBuilt(t *testing.T) {
	texts := rapid.SampledFrom([]string{"a", "Zoë", `"quoted"`, "line\nbreak", "\u2028", "日本", "x & y"})
	typed := rapid.SampledFrom([]string{"GB", "united kingdom", "Frankreich", "France", "fra"})
	portal, _ := parseCountries([]byte(portalCountries))
	rapid.Check(t, func(t *rapid.T) {
		have, there := sinks.Have{}, map[string]json.RawMessage{}
		for range rapid.IntRange(1, 3).Draw(t, "edits") {
			p := state()
			for _, f := range fields {
				switch {
				case f.from == "" || f.clear != never && rapid.Bool().Draw(t, "no "+f.name):
				case f.name == countryID:
					set(t, p, f.from, string(ledger.TextNode(typed.Draw(t, f.name)).Append(nil)))
				case f.kind == ledger.NodeBool:
					set(t, p, f.from, fmt.Sprint(rapid.Bool().Draw(t, f.name)))
				case f.kind == ledger.NodeNumber:
					set(t, p, f.from, rapid.SampledFrom([]string{"826", "250"}).Draw(t, f.name))
				case f.name == birthday:
					set(t, p, f.from, `"1990-06-15"`)
				default:
					p.Shared[f.from] = ledger.Cell{Value: ledger.TextNode(texts.Draw(t, f.name)).Append(nil)}
				}
			}
			var skills []string
			for _, s := range rapid.SliceOfNDistinct(texts, 0, 3, rapid.ID[string]).Draw(t, "skills") {
				skills = append(skills, `{"name":`+string(ledger.TextNode(s).Append(nil))+`}`)
			}
			list(p, "skills", skills...)
			built, err := build(Entity, p, have)
			if err != nil {
				t.Fatal(err)
			}
			body, err := parseBody(built.Body)
			if err != nil {
				t.Fatal(err)
			}
			numbers := map[string]string{}
			for _, name := range []string{countryID, billingID} {
				if v, ok := body.Member(name); ok {
					if c, ours := countryOf(v.Text); ours {
						v.Text = c.TwoDigitsCode
					}
					if numbers[name], ok = resolve(portal, v.Text); !ok {
						t.Fatalf("no country %q", v.Text)
					}
				}
			}
			var changed map[string]json.RawMessage
			if err := json.Unmarshal(compose(body, built.Clears, numbers), &changed); err != nil {
				t.Fatal(err)
			}
			for name, v := range changed {
				there[name] = v
			}
			answer, err := json.Marshal(there)
			if err != nil {
				t.Fatal(err)
			}
			n, ok := parseProfile(answer)
			if got := echo(named(n, portal), slices.Concat(built.Fields, built.Clears)); !ok || string(got) != string(built.Echo) {
				t.Fatalf("%v\nbuilt %s\nread  %s", ok, built.Echo, got)
			}
			have.Fields = built.Fields
		}
	})
}
