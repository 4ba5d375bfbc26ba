package nexudus

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"vitae/ledger"
	"vitae/sinks"
)

// apply makes a state what the edits say, as the ledger would.
func apply(t fataler, p *ledger.Profile, e sinks.Edits) {
	if len(e.Items) > 0 {
		t.Fatalf("there are edits of items")
	}
	if e.Patch == nil {
		return
	}
	n, err := ledger.ParseJSON(e.Patch)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var walk func(prefix string, n ledger.Node)
	walk = func(prefix string, n ledger.Node) {
		for _, m := range n.Members {
			name := prefix + m.Name
			switch {
			case name == ledger.Nexudus:
				walk(name+".", m.Node)
			case name == "skills":
				var items []string
				c := &ledger.Collection{Items: map[string]ledger.Cell{}}
				for i, item := range m.Node.Elems {
					items = append(items, string(item.Append(nil)))
					id, _ := item.Member("id")
					if id.Text == "" {
						id.Text = fmt.Sprintf("new%d", i)
					}
					c.Order = append(c.Order, id.Text)
					item.Members = slices.DeleteFunc(slices.Clone(item.Members), func(m ledger.NodeMember) bool { return m.Name == "id" })
					c.Items[id.Text] = ledger.Cell{Value: item.Append(nil)}
				}
				if f, _, _ := ledger.Lookup(name); true {
					if _, errs := f.CheckItems(m.Node, ""); errs != nil {
						t.Fatalf("%v: %v", errs, items)
					}
				}
				p.Resumes[ledger.Base].Collections[name] = c
			case m.Node.Kind == ledger.NodeNull:
				delete(p.Shared, name)
			default:
				set(t, p, name, string(m.Node.Append(nil)))
			}
		}
	}
	walk("", n)
}

func parsed(t *testing.T, body string, p *ledger.Profile) Inbound {
	t.Helper()
	in, err := ParsePatch([]byte(body), p)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return in
}

// wrong names what a body is refused for, by code.
func wrong(t *testing.T, body string, p *ledger.Profile) map[string]string {
	t.Helper()
	_, err := ParsePatch([]byte(body), p)
	var refusal *ledger.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("%s: %v", body, err)
	}
	out := map[string]string{}
	for _, f := range refusal.Fields {
		out[PropertyOf(f.Pointer)] = f.Code
	}
	return out
}

// TestInboundExample: the example of the documentation.
func TestInboundExample(t *testing.T) {
	in := parsed(t, `{"FullName":"Jane Doe","Position":"Product Designer","ProfileIsPublic":true}`, state())
	if got := string(in.Edits.Patch); got != `{"displayName":"Jane Doe","jobTitle":"Product Designer","nexudus":{"profileIsPublic":true}}` || in.Edits.Items != nil || in.Password != nil {
		t.Errorf("%s", got)
	}
	if in := parsed(t, `{}`, state()); in.Edits.Patch != nil {
		t.Error("an empty body edits something")
	}
}

// TestInboundEveryField: each field of the page arrives at the catalogue's, and what is
// then sent is what came in.
func TestInboundEveryField(t *testing.T) {
	body := strings.NewReplacer(`,"CountryId":99`, `,"CountryId":826`, `"BillingCountryId":1220`, `"BillingCountryId":826`).Replace(golden)
	p := state()
	set(t, p, "firstName", `"Stays"`)
	apply(t, p, parsed(t, body, p).Edits)
	if got := made(t, p); got != golden { // made gives each country its number there
		t.Errorf("got  %s\nwant %s", got, golden)
	}
	if string(p.Scalar("country")) != `"United Kingdom"` || string(p.Scalar("firstName")) != `"Stays"` || string(p.Scalar("displayName")) != `"Jane Doe \"J\""` {
		t.Errorf("%s %s", p.Scalar("country"), p.Scalar("displayName"))
	}
	for _, f := range fields {
		known, _, ok := ledger.Lookup(f.native())
		if !ok || !slices.ContainsFunc(known.HomesAt(ledger.Nexudus), func(h ledger.Home) bool { return h.As == f.name }) {
			t.Errorf("%s is not the home of %s", f.name, f.native())
		}
		if !strings.Contains(body, `"`+f.name+`":`) {
			t.Errorf("the body has no %s", f.name)
		}
	}
}

// TestInboundNullAbsentAndEmpty are three things.
func TestInboundNullAbsentAndEmpty(t *testing.T) {
	for _, f := range fields {
		p := full(t)
		set(t, p, "displayName", `"J"`)
		none := `{"` + f.name + `":null}`
		if f.clear != null {
			if got := wrong(t, none, p); len(got) != 1 || got[f.name] != ledger.CodeNotClearable {
				t.Errorf("%s: %v", none, got)
			}
		} else {
			apply(t, p, parsed(t, none, p).Edits)
			if v, err := f.value(p, ledger.Base); err != nil || v.Kind != ledger.NodeNull {
				t.Errorf("%s left %v", none, v)
			}
		}
		p = full(t)
		set(t, p, "displayName", `"J"`)
		empty := `{"` + f.name + `":""}`
		if f.kind != ledger.NodeString || f.name == countryID {
			if got := wrong(t, empty, p); len(got) != 1 || got[f.name] != ledger.CodeWrongType {
				t.Errorf("%s: %v", empty, got)
			}
			continue
		}
		apply(t, p, parsed(t, empty, p).Edits)
		v, err := f.value(p, ledger.Base)
		if f.name == fullName && v.Text == `Jane Doe "J"` { // the names in its place
			v.Kind = ledger.NodeNull
		}
		if err != nil || v.Kind != ledger.NodeNull {
			t.Errorf("%s left %v", empty, v)
		}
	}
}

// TestInboundFalseIsAValue: a switch that is turned off is set, not left out.
func TestInboundFalseIsAValue(t *testing.T) {
	in := parsed(t, `{"ProfileIsPublic":false,"OnHelpDeskMsg":false}`, state())
	if string(in.Edits.Patch) != `{"nexudus":{"profileIsPublic":false,"onHelpDeskMsg":false}}` {
		t.Errorf("%s", in.Edits.Patch)
	}
}

// TestInboundTrapCountryIsANumber: an ISO code, or a number as a text, is no country.
func TestInboundTrapCountryIsANumber(t *testing.T) {
	for _, bad := range []string{`"GB"`, `"826"`, `826.0`, `8.26e2`, `-826`, `0`, `99999`, `true`, `0826`} {
		_, err := ParsePatch([]byte(`{"CountryId":`+bad+`}`), state())
		var refusal *ledger.Refusal
		if !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Fields[0].Pointer, "/CountryId") && bad != "0826" {
			t.Errorf("%s: %v", bad, err)
		}
	}
	p := state()
	set(t, p, "country", `"Deutschland"`)
	if in := parsed(t, `{"CountryId":276}`, p); in.Edits.Patch != nil {
		t.Errorf("the country is the one it was, and became %s", in.Edits.Patch)
	}
	if in := parsed(t, `{"CountryId":250}`, p); string(in.Edits.Patch) != `{"country":"France"}` {
		t.Errorf("%s", in.Edits.Patch)
	}
}

// TestCountries: the list has each country of ISO 3166 once, and a name that is taken from
// it is found again when the profile is sent to a portal.
func TestCountries(t *testing.T) {
	list := Countries()
	ids, codes := map[int]bool{}, map[string]bool{}
	for _, c := range list {
		if c.ID < 1 || ids[c.ID] || codes[c.TwoDigitsCode] || len(c.TwoDigitsCode) != 2 || c.Name == "" || !strings.HasSuffix(c.Culture, "-"+c.TwoDigitsCode) {
			t.Errorf("%+v", c)
		}
		ids[c.ID], codes[c.TwoDigitsCode] = true, true
		if got := ledger.CountryCode(c.Name); got != c.TwoDigitsCode {
			t.Errorf("%s is taken for %q, not %s", c.Name, got, c.TwoDigitsCode)
		}
	}
	if len(list) != 249 {
		t.Errorf("%d countries", len(list))
	}
	parsed, ok := parseCountries(CountryList())
	if !ok || len(parsed) != len(list) {
		t.Errorf("a client reads %d of them", len(parsed))
	}
	if c, ok := countryOf("826"); !ok || c.Name != "United Kingdom" || c.Culture != "en-GB" {
		t.Errorf("%+v", c)
	}
}

// TestInboundTags: tags are skills by name, and those that stay keep what is known of them.
func TestInboundTags(t *testing.T) {
	p := full(t)
	skills := func(text string) string {
		b, _ := json.Marshal(map[string]string{"ProfileTags": text})
		in := parsed(t, string(b), p)
		return string(in.Edits.Patch)
	}
	for text, want := range map[string]string{
		"Go, C++":           "",
		" Go ,, C++,":       "",
		"C++,Go":            `{"skills":[{"id":"i1","name":"C++"},{"id":"i0","name":"Go","category":"x"}]}`,
		"Go, Rust, Go, Zig": `{"skills":[{"id":"i0","name":"Go","category":"x"},{"name":"Rust"},{"name":"Zig"}]}`,
		"":                  `{"skills":[]}`,
		" , ":               `{"skills":[]}`,
		"E\u0301ric":        "{\"skills\":[{\"name\":\"\u00c9ric\"}]}",
	} {
		if got := skills(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	// What was read may be sent back, also where it cannot be taken apart any more.
	list(p, "skills", `{"name":"Go, and C"}`, `{"name":"Go"}`, `{"name":"Go"}`)
	if got := skills("Go, and C, Go, Go"); got != "" {
		t.Errorf("%s", got)
	}
}

// TestInboundRefusals: everything that is wrong is named at once, by the page's names, and
// no value is repeated.
func TestInboundRefusals(t *testing.T) {
	got := wrong(t, `{"fullName":"secret-value","FullName":7,"State":null,"Linkedin":["secret-value"],"DateOfBirth":"secret-value","BillingEmail":"secret-value",
		"ProfileIsPublic":"true","BillingCountryId":"826","CountryId":1.5,"Gender":"`+strings.Repeat("é", 51)+`","ProfileTags":"`+strings.Repeat("x", 300)+`","OldPassword":"secret-value"}`, state())
	want := map[string]string{"fullName": "unknown_field", "FullName": "wrong_type", "State": "not_clearable", "Linkedin": "wrong_type", "DateOfBirth": "invalid_format",
		"BillingEmail": "invalid_format", "ProfileIsPublic": "wrong_type", "BillingCountryId": "wrong_type", "CountryId": "not_one_of", "Gender": "too_long", "ProfileTags": "too_long",
		"NewPassword": "required", "RepeatNewPassword": "required"}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	// Lengths are of characters, not of bytes.
	parsed(t, `{"Gender":"`+strings.Repeat("é", 50)+`","Address":"`+strings.Repeat("e\u0301", 200)+`"}`, state())
	for _, bad := range []string{``, `[]`, `null`, `"x"`, `{"FullName":"a","FullName":"b"}`, "{\"FullName\":\"\xff\"}", `{"FullName":"\ud800"}`, `{} {}`} {
		if _, err := ParsePatch([]byte(bad), state()); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	if b, err := json.Marshal(Failed(400, "No.", []ledger.FieldError{{Pointer: "/nexudus/billingEmail", Message: "no"}, {Pointer: "", Message: "none"}})); err != nil ||
		string(b) != `{"WasSuccessful":false,"Value":null,"Status":400,"Message":"No.","Errors":[{"AttemptedValue":null,"Message":"no","PropertyName":"BillingEmail"},`+
			`{"AttemptedValue":null,"Message":"none","PropertyName":null}]}` {
		t.Errorf("%s %v", b, err)
	}
	for pointer, name := range map[string]string{"/displayName": "FullName", "/phone": "MobilePhone", "/skills/3/name": "ProfileTags", "/nexudus/taxIDNumber": "TaxIDNumber",
		"/linkedIn": "Linkedin", "/country": "CountryId", "/CountryId": "CountryId", "": "", "/a~1b": "a/b"} {
		if got := PropertyOf(pointer); got != name {
			t.Errorf("%s: %s, want %s", pointer, got, name)
		}
	}
}

// TestInboundPassword: the three come together and agree, and nobody who prints the
// request sees them.
func TestInboundPassword(t *testing.T) {
	in := parsed(t, `{"OldPassword":"old-secret","NewPassword":"new-secret","RepeatNewPassword":"new-secret"}`, state())
	if in.Edits.Patch != nil || in.Password == nil {
		t.Fatalf("%+v", in.Edits)
	}
	if before, after := in.Password.Open(); before != "old-secret" || after != "new-secret" {
		t.Error("the passwords are others")
	}
	b, err := json.Marshal(in.Password)
	shown := fmt.Sprintf("%v %+v %#v %s %s %v %v", in.Password, in.Password, in.Password, in.Password, b, in.Password.LogValue(), err)
	if strings.Contains(shown, "secret") {
		t.Errorf("shown: %s", shown)
	}
	for body, want := range map[string]map[string]string{
		`{"OldPassword":"a","NewPassword":"b","RepeatNewPassword":"c"}`: {"RepeatNewPassword": "not_one_of"},
		`{"NewPassword":"b","RepeatNewPassword":"b"}`:                   {"OldPassword": "required"},
		`{"OldPassword":"","NewPassword":"","RepeatNewPassword":""}`:    {"OldPassword": "empty", "NewPassword": "empty", "RepeatNewPassword": "empty"},
		`{"OldPassword":null,"NewPassword":1,"RepeatNewPassword":"b"}`:  {"OldPassword": "wrong_type", "NewPassword": "wrong_type"},
	} {
		if got := wrong(t, body, state()); !maps.Equal(got, want) {
			t.Errorf("%s: %v", body, got)
		}
	}
}

// TestInboundReadBack: the page reads every field, and sent back it changes nothing.
func TestInboundReadBack(t *testing.T) {
	for name, p := range map[string]*ledger.Profile{"full": full(t), "bare": state()} {
		b, err := AppendProfile(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		n, ok := parseProfile(b)
		if !ok || who(n) == "" || len(n.Members) != len(fields)+1 {
			t.Errorf("%s: a client does not read %s", name, b)
		}
		if name == "bare" {
			for _, m := range n.Members {
				if m.Name == "Position" && m.Node.Kind != ledger.NodeNull || m.Name == "State" && m.Node.Kind != ledger.NodeString || m.Name == "OnNewWallPost" && m.Node.Kind != ledger.NodeBool {
					t.Errorf("%s is %v", m.Name, m.Node)
				}
			}
			continue
		}
		before := made(t, p)
		n.Members = n.Members[1:] // Id
		in := parsed(t, string(n.Append(nil)), p)
		apply(t, p, in.Edits)
		if after := made(t, p); after != before || string(p.Scalar("country")) != `"United Kingdom"` {
			t.Errorf("before %s\nafter  %s", before, after)
		}
	}
}

// TestInboundThenOutbound: whatever a request sets is what the next request to a portal
// has, up to the forms that the catalogue keeps.
func TestInboundThenOutbound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := full(t)
		body := ledger.Node{Kind: ledger.NodeObject}
		word := rapid.StringMatching(`[a-zé]{1,12}`)
		for _, f := range fields {
			if !rapid.Bool().Draw(t, f.name) {
				continue
			}
			n := ledger.TextNode(norm.NFC.String(word.Draw(t, "text")))
			switch {
			case f.name == countryID:
				c := rapid.SampledFrom(Countries()).Draw(t, "country")
				n = ledger.Node{Kind: ledger.NodeNumber, Text: fmt.Sprint(c.ID)}
			case f.kind == ledger.NodeNumber:
				n = ledger.Node{Kind: ledger.NodeNumber, Text: fmt.Sprint(rapid.SampledFrom(Countries()).Draw(t, "number").ID)}
			case f.kind == ledger.NodeBool:
				n = ledger.Node{Kind: ledger.NodeBool, Bool: rapid.Bool().Draw(t, "switch")}
			case f.clear != never && rapid.IntRange(0, 3).Draw(t, "clear") == 0:
				n = ledger.TextNode("")
				if f.clear == null {
					n = ledger.Node{}
				}
			case f.name == birthday:
				n = ledger.TextNode(rapid.SampledFrom([]string{"1990-06-15", "2000-02-29"}).Draw(t, "day"))
			case f.name == "BillingEmail":
				n.Text = "x@example.com"
			case f.name == "ProfileWebsite":
				n.Text = "https://example.com/" + "x"
			case f.name == "Linkedin":
				n.Text = "https://linkedin.com/in/x"
			case f.name == tags:
				n.Text = strings.Join(rapid.SliceOfNDistinct(word, 1, 4, rapid.ID).Draw(t, "tags"), ", ")
			}
			body.Members = append(body.Members, ledger.NodeMember{Name: f.name, Node: n})
		}
		in, err := ParsePatch(body.Append(nil), p)
		if err != nil {
			t.Fatalf("%s: %v", body.Append(nil), err)
		}
		apply(t, p, in.Edits)
		sent, err := ledger.ParseJSON([]byte(made(t, p, everyName()...)))
		if err != nil {
			t.Fatalf("%v", err)
		}
		read, err := AppendProfile(nil, p)
		if err != nil {
			t.Fatalf("%v", err)
		}
		page, _ := parseProfile(read)
		for _, m := range body.Members {
			if got, _ := sent.Member(m.Name); countryFields[m.Name] == "" && string(got.Append(nil)) != string(m.Node.Append(nil)) {
				t.Fatalf("%s: came in as %s and goes out as %s", m.Name, m.Node.Append(nil), got.Append(nil))
			}
			if got, _ := page.Member(m.Name); string(got.Append(nil)) != string(m.Node.Append(nil)) {
				t.Fatalf("%s: came in as %s and reads as %s", m.Name, m.Node.Append(nil), got.Append(nil))
			}
		}
	})
}

func FuzzParsePatch(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(`{"FullName":"","MobilePhone":null,"ProfileTags":",a,,a","CountryId":826}`))
	f.Add([]byte(`{"OldPassword":"a","NewPassword":"b","RepeatNewPassword":"b"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := full(t)
		in, err := ParsePatch(body, p)
		var refusal *ledger.Refusal
		switch {
		case errors.As(err, &refusal):
			if len(refusal.Fields) == 0 {
				t.Error("a refusal without a reason")
			}
			return
		case err != nil:
			t.Fatal(err)
		}
		if strings.Contains(string(in.Edits.Patch), "assword\":") {
			t.Error("a password is an edit")
		}
		apply(t, p, in.Edits)
		made(t, p)
	})
}
