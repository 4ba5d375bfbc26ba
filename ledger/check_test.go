package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func node(t testing.TB, s string) Node {
	t.Helper()
	n, err := ParseJSON([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return n
}

func field(t testing.TB, name string) Field {
	t.Helper()
	f, _, ok := Lookup(name)
	if !ok {
		t.Fatalf("no field %s", name)
	}
	return f
}

// faults writes errors as "pointer code", in order.
func faults(errs []FieldError) (out []string) {
	for _, e := range errs {
		out = append(out, strings.TrimSpace(e.Pointer+" "+e.Code))
	}
	return out
}

const uuid = "713a8005-e54d-4ee3-b6a4-89b27167dde6"

var sha = "sha256:" + strings.Repeat("0a", 32)

func TestCheckTakes(t *testing.T) {
	for _, c := range []struct{ field, in, value, typed string }{
		{"firstName", `"J\u00e9"`, `"Jé"`, ""},
		{"firstName", `"  <b>& "`, `"  <b>& "`, ""},
		{"firstName", `"e\u0301"`, "\"e\u0301\"", ""}, // not recomposed
		{"firstName@fr_FR", `null`, "", ""},
		{"summary", `"a\nb\u0000\u001f"`, `"a\nb\u0000\u001f"`, ""},
		{"email", `"jane.doe+x@example.com"`, `"jane.doe+x@example.com"`, ""},
		{"birthDate", `"2000-02-29"`, `"2000-02-29"`, ""},
		{"phone", `null`, "", ""},
		{"website", `"janedoe.dev"`, `"https://janedoe.dev"`, `"janedoe.dev"`},
		{"website", `"janedoe.dev:8080/a?b#c"`, `"https://janedoe.dev:8080/a?b#c"`, `"janedoe.dev:8080/a?b#c"`},
		{"website", `"//janedoe.dev"`, `"https://janedoe.dev"`, `"//janedoe.dev"`},
		{"website", `"http://janedoe.dev"`, `"http://janedoe.dev"`, ""},
		{"website", `"HTTPS://JaneDoe.dev/"`, `"HTTPS://JaneDoe.dev/"`, ""},
		{"portfolio", `"münchen.de/?u=http://x"`, `"https://münchen.de/?u=http://x"`, `"münchen.de/?u=http://x"`},
		{"linkedIn", `"jane-smith"`, `"https://linkedin.com/in/jane-smith"`, `"jane-smith"`},
		{"linkedIn", `"in/jane-smith"`, `"https://linkedin.com/in/jane-smith"`, `"in/jane-smith"`},
		{"linkedIn", `"josé"`, `"https://linkedin.com/in/josé"`, `"josé"`},
		{"linkedIn", `"https://www.linkedin.com/in/jane/"`, `"https://www.linkedin.com/in/jane/"`, ""},
		{"linkedIn", `"linkedin.com/in/jane"`, `"https://linkedin.com/in/jane"`, `"linkedin.com/in/jane"`},
		{"picture", `"` + sha + `"`, `"` + sha + `"`, ""},
		{"linkedin.vanityName", `"bobsmith1"`, `"bobsmith1"`, ""},
		{"linkedin.ims", `{"b":{"provider":"GTalk","id":"b"}}`, `{"b":{"id":"b","provider":"GTalk"}}`, ""},
		{"linkedin.imsOrder", `["b",7]`, `["b",7]`, ""},
		{"linkedin.memberRichContents", `[]`, `[]`, ""},
		{"linkedin.supportedLocales", `[{"language":"en","country":"US"}]`, `[{"country":"US","language":"en"}]`, ""},
		{"linkedin.volunteeringInterests.supportedPredefinedCauses", `["politics"]`, `["politics"]`, ""},
		{"linkedin.phoneticFirstName@ja_JP", `"ジェーン"`, `"ジェーン"`, ""},
		{"postpress.pictureSettings.filter", `"STUDIO"`, `"STUDIO"`, ""},
		{"postpress.pictureSettings.layout.bottomLeft", `{"y":1.250,"x":-1e2}`, `{"x":-1e2,"y":1.250}`, ""},
		{"postpress.coverPictureSettings.contrast", `0`, `0`, ""},
		{"postpress.skillsFollow", `false`, `false`, ""},
		{"postpress.openToWork", `{"location":{"remote":["EU"]},"presence":["REMOTE"],"jobTitle":[{"id":"9","name":"Dev"}],"visibility":null}`,
			`{"jobTitle":[{"name":"Dev","id":"9"}],"presence":["REMOTE"],"location":{"remote":["EU"]}}`, ""},
		{"nexudus.profileIsPublic", `false`, `false`, ""},
		{"nexudus.billingCountryId", `1220`, `1220`, ""},
		{"nexudus.profileIsPublic", `null`, "", ""},
		{"jarvi.projectId", `"` + uuid + `"`, `"` + uuid + `"`, ""},
		{"jarvi.custom." + uuid, `"Oui, Non"`, `"Oui, Non"`, ""},
	} {
		value, typed, errs := field(t, c.field).Check(node(t, c.in), "/x")
		if len(errs) > 0 || string(value) != c.value || string(typed) != c.typed {
			t.Errorf("%s %s: %s typed %s, %v", c.field, c.in, value, typed, errs)
		}
		if (value == nil) != (c.value == "") || (typed == nil) != (c.typed == "") {
			t.Errorf("%s %s: nil where there is a value, or the other way", c.field, c.in)
		}
		if value == nil {
			continue
		}
		again, typed, errs := field(t, c.field).Check(node(t, string(value)), "/x")
		if len(errs) > 0 || !again.Equal(value) || typed != nil {
			t.Errorf("%s: %s became %s, typed %s, %v", c.field, value, again, typed, errs)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	long := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }
	for _, c := range []struct {
		field, in string
		want      []string
	}{
		{"firstName", `null`, []string{"/x not_clearable"}},
		{"firstName", `""`, []string{"/x empty"}},
		{"firstName@fr_FR", `""`, []string{"/x empty"}},
		{"firstName", `1`, []string{"/x wrong_type"}},
		{"firstName", `{}`, []string{"/x wrong_type"}},
		{"firstName", long(101), []string{"/x too_long"}},
		{"summary", long(2001), []string{"/x too_long"}},
		{"headline", long(MaxText + 1), []string{"/x too_long"}},
		{"email", `"Jane <jane@example.com>"`, []string{"/x invalid_format"}},
		{"email", `"<jane@example.com>"`, []string{"/x invalid_format"}},
		{"email", `"jane@example.com, joe@example.com"`, []string{"/x invalid_format"}},
		{"email", `" jane@example.com"`, []string{"/x invalid_format"}},
		{"email", `"jane"`, []string{"/x invalid_format"}},
		{"email", `"` + strings.Repeat("x", 250) + `@e.co"`, []string{"/x too_long"}},
		{"birthDate", `"2001-02-29"`, []string{"/x invalid_format"}},
		{"birthDate", `"2001-2-9"`, []string{"/x invalid_format"}},
		{"birthDate", `"2001-02"`, []string{"/x invalid_format"}},
		{"birthDate", `"2001-02-09T00:00:00Z"`, []string{"/x invalid_format"}},
		{"website", `"https://"`, []string{"/x invalid_format"}},
		{"website", `"jane doe"`, []string{"/x invalid_format"}},
		{"website", `"javascript://x/%0aalert(1)"`, []string{"/x invalid_format"}},
		{"website", `"mailto:jane@example.com"`, []string{"/x invalid_format"}},
		{"website", `"jane@example.com"`, []string{"/x invalid_format"}},
		{"website", `"https://:80"`, []string{"/x invalid_format"}},
		{"website", long(493), []string{"/x too_long"}}, // 501 with https://
		{"linkedIn", `"jane smith"`, []string{"/x invalid_format"}},
		{"linkedIn", `"/"`, []string{"/x invalid_format"}},
		{"linkedIn", `"ftp://linkedin.com/in/jane"`, []string{"/x invalid_format"}},
		{"picture", `"sha256:00"`, []string{"/x invalid_format"}},
		{"picture", `"` + strings.ToUpper(sha) + `"`, []string{"/x invalid_format"}},
		{"linkedin.vanityName", `"ab"`, []string{"/x out_of_range"}},
		{"linkedin.vanityName", `"bob-smith"`, []string{"/x invalid_format"}},
		{"linkedin.vanityName", `"bobé"`, []string{"/x invalid_format"}},
		{"linkedin.vanityName", long(101), []string{"/x too_long"}},
		{"linkedin.ims", `{"a":{"id":"b","provider":"QQ"}}`, []string{"/x/a/id invalid_format"}},
		{"linkedin.ims", `{"a":{"id":"a","provider":"ICQ"},"b":{"id":"b","provider":"ICQ"},"c":{"id":"c","provider":"ICQ"},"d":{"id":"d","provider":"MSN"}}`,
			[]string{"/x too_many_items", "/x/d/provider not_one_of"}},
		{"linkedin.ims", `{"a":[]}`, []string{"/x/a wrong_type"}},
		{"linkedin.ims", `{"a":{}}`, []string{"/x/a/id required", "/x/a/provider required"}},
		{"linkedin.imsOrder", `[1,"a",1,0,1.5]`, []string{"/x/2 duplicate", "/x/3 out_of_range", "/x/4 out_of_range"}},
		{"linkedin.volunteeringInterests.supportedPredefinedCauses", `["politics","sleep"]`, []string{"/x/1 not_one_of"}},
		{"linkedin.memberRichContents", `["a","",1,null]`, []string{"/x/1 empty", "/x/2 wrong_type", "/x/3 wrong_type"}},
		{"linkedin.memberRichContents", `[` + strings.Repeat(`"a",`, MaxItems) + `"a"]`, []string{"/x too_many_items"}},
		{"postpress.pictureSettings.filter", `"studio"`, []string{"/x not_one_of"}},
		{"postpress.pictureSettings.layout.topLeft", `{"x":1}`, []string{"/x/y required"}},
		{"postpress.pictureSettings.layout.topLeft", `{"x":"1","y":null,"z":1}`, []string{"/x/x wrong_type", "/x/y required", "/x/z unknown_field"}},
		{"postpress.pictureSettings.contrast", `1e999`, []string{"/x out_of_range"}},
		{"postpress.pictureSettings.contrast", `0.` + strings.Repeat("1", 64), []string{"/x too_long"}},
		{"postpress.openToWork", `{"presence":"REMOTE","location":[]}`, []string{"/x/jobTitle required", "/x/presence wrong_type", "/x/location wrong_type"}},
		{"nexudus.billingCountryId", `"GB"`, []string{"/x wrong_type"}},
		{"nexudus.billingCountryId", `0`, []string{"/x out_of_range"}},
		{"nexudus.billingCountryId", `1.0`, []string{"/x out_of_range"}},
		{"nexudus.profileIsPublic", `"true"`, []string{"/x wrong_type"}},
		{"jarvi.projectId", `"x"`, []string{"/x invalid_format"}},
		{"jarvi.custom." + uuid, `true`, []string{"/x wrong_type"}},
		{"projects", `[]`, []string{"/x wrong_type"}},
	} {
		n := node(t, c.in)
		value, typed, errs := field(t, c.field).Check(n, "/x")
		if d := cmp.Diff(c.want, faults(errs)); d != "" || value != nil || typed != nil {
			t.Errorf("%s %.80s (-want +got):\n%s value %s, typed %s", c.field, c.in, d, value, typed)
		}
		for _, e := range errs {
			if e.Message == "" || n.Kind == NodeString && len(n.Text) > 6 && strings.Contains(e.Message, n.Text) {
				t.Errorf("%s: message %q", c.in, e.Message)
			}
		}
	}
	if f := field(t, "firstName@fr_FR"); f.Max != 100 {
		t.Error("a variant has its field's limit")
	}
}

// TestLimitsCountCodePoints: a limit is neither bytes nor UTF-16, and what a composed
// character needs before NFC does not count.
func TestLimitsCountCodePoints(t *testing.T) {
	for _, c := range []struct {
		char string
		each int // code points after NFC
	}{{"x", 1}, {"é", 1}, {"e\u0301", 1}, {"日", 1}, {"😀", 1}, {"𝒥", 1}, {"q\u0301", 2}, {"\u0958", 2}, {"👩\u200d💻", 3}} {
		for _, name := range []string{"firstName", "summary", "phone"} {
			f := field(t, name)
			fits := f.Max / c.each
			if _, _, errs := f.Check(TextNode(strings.Repeat(c.char, fits)), ""); len(errs) > 0 {
				t.Errorf("%s: %d times %q: %v", name, fits, c.char, errs)
			}
			_, _, errs := f.Check(TextNode(strings.Repeat(c.char, fits+1)), "")
			if len(errs) != 1 || errs[0].Code != CodeTooLong || !strings.Contains(errs[0].Message, fmt.Sprint(f.Max)) {
				t.Errorf("%s: %d times %q: %v", name, fits+1, c.char, errs)
			}
		}
	}
}

func TestCheckItem(t *testing.T) {
	for _, c := range []struct{ field, in, id, value string }{
		{"projects", `{"url":"x.dev","description":"d","name":"n"}`, "", `{"name":"n","description":"d","url":"x.dev"}`},
		{"projects", `{"id":"p1","name":"n","description":"d","isCurrent":true,"startDate":"2020","endDate":null}`, "p1",
			`{"name":"n","description":"d","startDate":"2020","isCurrent":true}`},
		{"projects", `{"id":null,"name":"n","description":"d","startDate":"2020-01-02T03:04:05.678+01:00","endDate":"2020-13"}`, "", "/x/endDate invalid_format"},
		{"projects", `{"name":"n","name@fr_FR":"nom","name@de_DE":"Name","description":"d"}`, "", `{"name":"n","name@de_DE":"Name","name@fr_FR":"nom","description":"d"}`},
		{"projects", `{"name@fr_FR":"nom","name@fr-FR":"x","url@fr_FR":"x","description":"d"}`, "", "/x/name required,/x/name@fr-FR unknown_field,/x/url@fr_FR unknown_field"},
		{"projects", `{"name":null,"description":"","organization":"x"}`, "", "/x/name required,/x/description empty,/x/organization unknown_field"},
		{"projects", `{"name":"n","description":"d","id":"a b"}`, "", "/x/id invalid_format"},
		{"projects", `{"name":"n","description":"d","id":""}`, "", "/x/id empty"},
		{"projects", `{"name":"n","description":"d","id":7}`, "", "/x/id wrong_type"},
		{"projects", `{"name":"n","description":"d","id":"` + strings.Repeat("i", 65) + `"}`, "", "/x/id too_long"},
		{"projects", `[]`, "", "/x wrong_type"},
		{"projects", `{"name":"` + strings.Repeat("😀", 50000) + `","description":"` + strings.Repeat("😀", 50000) + `"}`, "", "/x too_long"},
		{"workExperiences", `{"company":"c","jobTitle":"j","responsibilities":[],"achievements":["a"],"postpress":{"presence":"REMOTE","seniority":{"z":1,"a":[null]},"skills":["s"],
			"attachment":{"type":"link","title":"t","url":"u"}},"linkedin":{"company":"urn:li:company:1"}}`, "",
			`{"jobTitle":"j","company":"c","responsibilities":[],"achievements":["a"],"linkedin":{"company":"urn:li:company:1"},` +
				`"postpress":{"presence":"REMOTE","seniority":{"z":1,"a":[null]},"skills":["s"],"attachment":{"type":"link","title":"t","url":"u"}}}`},
		{"workExperiences", `{"company":"c","jobTitle":"j","postpress":{"attachment":{"type":"media","title":"t","url":"u","file":"` + sha + `"}}}`, "",
			"/x/postpress/attachment/url unknown_field"},
		{"workExperiences", `{"company":"c","jobTitle":"j","postpress":{"attachment":{"type":"link","title":"t"},"presence":"home"}}`, "",
			"/x/postpress/presence not_one_of,/x/postpress/attachment/url required"},
		{"workExperiences", `{"company":"c","jobTitle":"` + strings.Repeat("x", 201) + `"}`, "", "/x/jobTitle too_long"},
		{"skills", `{"name":"Go","level":"guru"}`, "", "/x/level not_one_of"},
		{"patents", `{"title":"t","issuer":"us","pending":false,"inventors":["A","B"]}`, "", `{"title":"t","issuer":"us","pending":false,"inventors":["A","B"]}`},
		{"phones", `{"number":"` + strings.Repeat("1", 51) + `"}`, "", "/x/number too_long"},
		{"jarvi.historyEntries", `{"subject":"s","type":"` + uuid + `"}`, "", `{"subject":"s","type":"` + uuid + `"}`},
	} {
		item, errs := field(t, c.field).CheckItem(node(t, c.in), "/x")
		if len(errs) > 0 {
			if got := strings.Join(faults(errs), ","); got != c.value || item.ID != "" || item.Value != nil {
				t.Errorf("%s %.100s: %s", c.field, c.in, got)
			}
			continue
		}
		if item.ID != c.id || string(item.Value) != c.value {
			t.Errorf("%s %.100s: %q %s", c.field, c.in, item.ID, item.Value)
		}
	}
}

func TestCheckItems(t *testing.T) {
	list := func(n int, item string) string { return `[` + strings.Repeat(item+",", n-1) + item + `]` }
	for _, c := range []struct{ field, in, want string }{
		{"projects", `[]`, ""},
		{"projects", `null`, "/x not_clearable"},
		{"projects", `{}`, "/x wrong_type"},
		{"firstName", `[]`, "/x wrong_type"},
		{"interests", list(100, `{"name":"n"}`), ""},
		{"interests", list(101, `{"name":"n"}`), "/x too_many_items"},
		{"jobTitles", list(50, `{"title":"n"}`), ""},
		{"jobTitles", list(51, `{"title":"n"}`), "/x too_many_items"},
		{"interests", `[{"id":"a","name":"n"},{},{"id":"a","name":"m"},{"id":"A","name":"m"},"x",{"id":"a","name":"n"}]`,
			"/x/1/name required,/x/4 wrong_type,/x/2/id duplicate,/x/5/id duplicate"},
	} {
		items, errs := field(t, c.field).CheckItems(node(t, c.in), "/x")
		if got := strings.Join(faults(errs), ","); got != c.want || (len(errs) > 0) != (items == nil) {
			t.Errorf("%s %.60s: %s, %d items", c.field, c.in, got, len(items))
		}
	}
}

// FuzzCheck: whatever is taken is canonical (taken again, it stays as it is), is JSON of
// bounded size, and refusals never repeat the value.
func FuzzCheck(f *testing.F) {
	fields := Catalogue()
	names := make([]string, len(fields))
	for i, field := range fields {
		if names[i] = field.Name; field.Name == customPrefix {
			names[i] += uuid
		}
	}
	for _, s := range []string{`"janedoe.dev"`, `"in/x"`, `null`, `{"name":"n","description":"d","name@fr_FR":"x","id":"a"}`, `[1,"a"]`, `{"a":{"id":"a","provider":"QQ"}}`,
		`{"x":1.0,"y":-0}`, `"2020-02-30"`, `"a@b.c"`, `true`} {
		for i := range names {
			f.Add(i, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, i int, body []byte) {
		n, err := ParseJSON(body)
		if err != nil || i < 0 || i >= len(names) {
			return
		}
		field := field(t, names[i])
		if field.IsList() {
			item, errs := field.CheckItem(n, "")
			if len(errs) > 0 {
				return
			}
			again, errs := field.CheckItem(node(t, string(item.Value)), "")
			if len(errs) > 0 || !again.Value.Equal(item.Value) || len(item.Value) > MaxValue || again.ID != "" {
				t.Fatalf("%s: %s became %s, %v", field.Name, item.Value, again.Value, errs)
			}
			return
		}
		value, typed, errs := field.Check(n, "")
		if len(errs) > 0 || value == nil {
			if len(errs) == 0 && n.Kind != NodeNull {
				t.Fatalf("%s: neither value nor error", field.Name)
			}
			return
		}
		again, typed2, errs := field.Check(node(t, string(value)), "")
		if len(errs) > 0 || !again.Equal(value) || typed2 != nil || len(value) > MaxValue {
			t.Fatalf("%s: %s became %s, typed %s, %v", field.Name, value, again, typed2, errs)
		}
		if typed != nil && (bytes.Equal(typed, value) || slices.Contains(typed, typedMark)) {
			t.Fatalf("%s: typed %q", field.Name, typed)
		}
	})
}
