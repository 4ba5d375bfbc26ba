package postpress_test

import (
	"bytes"
	"errors"
	"mime/multipart"
	"os"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/postpress"
)

const crlf = "\r\n"

// raw is a body with the boundary B.
func raw(lines ...string) []byte { return []byte(strings.Join(lines, crlf)) }

func TestParseForm(t *testing.T) {
	const named = `Content-Disposition: form-data; name="headline"`
	for _, c := range []struct {
		name, boundary string
		body           []byte
		want           string // of the one part: its name and content; "" is a fault
		err            error
	}{
		{"plain", "B", raw("--B", named, "", "x", "--B--", ""), "headline=x", nil},
		{"no last line end", "B", raw("--B", named, "", "x", "--B--"), "headline=x", nil},
		{"a line before", "B", raw("", "--B", named, "", "x", "--B--", ""), "headline=x", nil},
		{"empty", "B", raw("--B", named, "", "", "--B--", ""), "headline=", nil},
		{"lines", "B", raw("--B", named, "", "a", "", "--Bo", "b\nc", "--B--", ""), "", postpress.ErrMalformed},
		{"line ends", "B", raw("--B", named, "", "a", "", "b\nc\r", "--B--", ""), "headline=a\n\nb\nc\r", nil},
		{"token", "B", raw("--B", "content-disposition: FORM-DATA;name=headline", "", "x", "--B--", ""), "headline=x", nil},
		{"escapes", "B", raw("--B", `Content-Disposition: form-data; name="a\"\\b"`, "", "x", "--B--", ""), `a"\b=x`, nil},
		{"text type", "B", raw("--B", named, "Content-Type: text/plain; charset=UTF-8", "", "x", "--B--", ""), "headline=x", nil},
		{"file", "B", raw("--B", named+`; filename=""`, "Content-Type: image/png", "", "\x00\r\n\xff", "--B--", ""), "headline@image/png \x00\r\n\xff", nil},
		{"file of no type", "B", raw("--B", named+`; filename="a;b\"c"`, "Content-Type: ?", "", "x", "--B--", ""), "headline@application/octet-stream x", nil},
		{"no parts", "B", raw("--B--", ""), " ", nil},

		{"no body", "B", nil, "", postpress.ErrMalformed},
		{"no boundary", "", raw("--B--", ""), "", postpress.ErrMalformed},
		{"long boundary", strings.Repeat("B", 71), raw("--"+strings.Repeat("B", 71)+"--", ""), "", postpress.ErrMalformed},
		{"strange boundary", "B\n", raw("--B\n--", ""), "", postpress.ErrMalformed},
		{"preamble", "B", raw("hello", "--B", named, "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"epilogue", "B", raw("--B", named, "", "x", "--B--", "hello"), "", postpress.ErrMalformed},
		{"ends early", "B", raw("--B", named, "", "x"), "", postpress.ErrMalformed},
		{"ends in the boundary", "B", raw("--B", named, "", "x", "--B"), "", postpress.ErrMalformed},
		{"half a last boundary", "B", raw("--B", named, "", "x", "--B-"), "", postpress.ErrMalformed},
		{"bare line feeds", "B", []byte("--B\n" + named + "\n\nx\n--B--\n"), "", postpress.ErrMalformed},
		{"no head", "B", raw("--B", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"no name", "B", raw("--B", "Content-Disposition: form-data", "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"empty name", "B", raw("--B", `Content-Disposition: form-data; name=""`, "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"two names", "B", raw("--B", named+`; name="summary"`, "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"a name for others", "B", raw("--B", named+`; name*=utf-8''summary`, "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"two heads", "B", raw("--B", named, named, "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"open quote", "B", raw("--B", named+`; filename="x`, "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"attachment", "B", raw("--B", `Content-Disposition: attachment; name="headline"`, "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"folded", "B", raw("--B", "Content-Disposition: form-data;", ` name="headline"`, "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"control", "B", raw("--B", "X: \x00", named, "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"base64", "B", raw("--B", named, "Content-Transfer-Encoding: base64", "", "eA==", "--B--", ""), "", postpress.ErrMalformed},
		{"not UTF-8", "B", raw("--B", named, "", "\xff", "--B--", ""), "", postpress.ErrMalformed},
		{"latin 1", "B", raw("--B", named, "Content-Type: text/plain; charset=iso-8859-1", "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"JSON", "B", raw("--B", named, "Content-Type: application/json", "", "{}", "--B--", ""), "", postpress.ErrMalformed},
		{"a name not in UTF-8", "B", raw("--B", "Content-Disposition: form-data; name=\"\xff\"", "", "x", "--B--", ""), "", postpress.ErrMalformed},
		{"long head", "B", raw("--B", named, "X: "+strings.Repeat("x", 5000), "", "x", "--B--", ""), "", postpress.ErrTooLarge},
		{"long text", "B", raw("--B", named, "", strings.Repeat("x", postpress.MaxTexts), "--B--", ""), "", postpress.ErrTooLarge},
		{"long file", "B", raw("--B", named+`; filename="x"`, "", strings.Repeat("x", postpress.MaxFiles+1), "--B--", ""), "", postpress.ErrTooLarge},
		{"many parts", "B", []byte(strings.Repeat("--B\r\n"+named+"\r\n\r\nx\r\n", 2001) + "--B--\r\n"), "", postpress.ErrTooLarge},
	} {
		f, err := postpress.ParseForm(c.body, c.boundary)
		if c.err != nil || err != nil {
			if !errors.Is(err, c.err) || c.err == nil {
				t.Errorf("%s: %v, want %v", c.name, err, c.err)
			}
			continue
		}
		got := " "
		for _, p := range f.Parts {
			if got = p.Name + "=" + p.Text; p.File {
				got = p.Name + "@" + p.MediaType + " " + string(p.Content)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	full := raw("--B", named+`; filename="x"`, "", strings.Repeat("x", postpress.MaxFiles), "--B--", "")
	if f, err := postpress.ParseForm(full, "B"); err != nil || len(f.Parts[0].Content) != postpress.MaxFiles {
		t.Errorf("a file of just the size: %v", err)
	}
}

// TestCanonicalHasNoBoundary: what a form says is the same whatever parts it, and another
// for another form.
func TestCanonicalHasNoBoundary(t *testing.T) {
	one, two := form(t, "headline=a", "picture=@x"), form(t, "headline=a", "picture=@x")
	if !bytes.Equal(one.Canonical(), two.Canonical()) {
		t.Error("the boundary counts")
	}
	for _, other := range [][]string{{"headline=b", "picture=@x"}, {"headline=a", "picture=@y"}, {"headline=a", "picture=x"}, {"picture=@x", "headline=a"}} {
		if bytes.Equal(one.Canonical(), form(t, other...).Canonical()) {
			t.Errorf("%q is the same", other)
		}
	}
	if one.Account() != account || form(t, "account_id=b").Account() != "" {
		t.Error("an account is given once")
	}
}

// FuzzParseForm: whatever comes, memory is bounded by the body; what is taken is a form of
// the standard library's too, and says the same there.
func FuzzParseForm(f *testing.F) {
	const named = `Content-Disposition: form-data; name="headline"`
	f.Add(raw("--B", named, "", "x", "--B--", ""), "B")
	f.Add(raw("--B", named+`; filename="a"`, "Content-Type: image/png", "", "\x00", "--B", named, "", "é", "--B--"), "B")
	f.Add(raw("--B", "x", "--B--"), "B")
	f.Add([]byte(strings.Repeat("--B\r\n\r\n\r\n", 50)), "B")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		form, err := postpress.ParseForm(body, boundary)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(64*len(body))+1<<20 {
			t.Errorf("%d bytes used for %d", used, len(body))
		}
		if err != nil {
			if !errors.Is(err, postpress.ErrMalformed) && !errors.Is(err, postpress.ErrTooLarge) {
				t.Error(err)
			}
			return
		}
		parts := 0
		std := multipart.NewReader(bytes.NewReader(body), boundary)
		for {
			p, err := std.NextRawPart()
			if err != nil {
				break
			}
			if parts < len(form.Parts) && p.FormName() != form.Parts[parts].Name {
				t.Errorf("part %d is %q, and %q to others", parts, form.Parts[parts].Name, p.FormName())
			}
			parts++
		}
		for _, p := range form.Parts {
			if !utf8.ValidString(p.Name) || !utf8.ValidString(p.Text) {
				t.Error("a text is not UTF-8")
			}
		}
		e, err := postpress.Inbound(form, empty())
		var refusal *ledger.Refusal
		if err != nil && !errors.As(err, &refusal) {
			t.Error(err)
		}
		if e.Patch != nil {
			if _, err := ledger.ParseJSON(e.Patch); err != nil {
				t.Errorf("%s: %v", e.Patch, err)
			}
		}
	})
}

// FuzzInbound: any names and texts make edits that are JSON, or are refused by name.
func FuzzInbound(f *testing.F) {
	f.Add("headline", "a", "skills", "b")
	f.Add("experience[seniority][a]", "1", "experience[seniority][a][b]", "2")
	f.Add("open_to_work[job_title][name]", "a", "open_to_work[job_title][id]", "1")
	f.Add("experience[start_date][month]", "1", "experience[start_date][year]", "9999")
	f.Add("custom_link[type]", "BLOG", "custom_link[url]", "x")
	f.Fuzz(func(t *testing.T, a, x, b, y string) {
		form := &postpress.Form{Parts: []postpress.Part{{Name: "type", Text: "LINKEDIN"}, {Name: "account_id", Text: "a"},
			{Name: a, Text: strings.ToValidUTF8(x, "")}, {Name: b, Text: strings.ToValidUTF8(y, "")}}}
		e, err := postpress.Inbound(form, empty())
		var refusal *ledger.Refusal
		if err != nil && (!errors.As(err, &refusal) || len(refusal.Fields) == 0) {
			t.Fatal(err)
		}
		if err == nil && e.Patch == nil && e.Items == nil {
			t.Errorf("%q and %q say nothing", a, b)
		}
		for _, body := range append([][]byte{e.Patch}, bodies(e)...) {
			if _, err := ledger.ParseJSON(body); body != nil && err != nil {
				t.Errorf("%s: %v", body, err)
			}
		}
	})
}

func bodies(e sinks.Edits) (out [][]byte) {
	for _, it := range e.Items {
		out = append(out, it.Body)
	}
	return out
}

// TestCurl reads the example of PostPress's page as curl sends it, byte for byte.
func TestCurl(t *testing.T) {
	sent, err := os.ReadFile("testdata/inbound_curl.txt")
	if err != nil {
		t.Fatal(err)
	}
	form, err := postpress.ParseForm(sent, "------------------------c5e67d7919d8395b")
	if err != nil {
		t.Fatal(err)
	}
	e, err := postpress.Inbound(form, empty())
	if err != nil {
		t.Fatal(err)
	}
	picture := form.Parts[5]
	want := `{"headline":"Building postpress","summary":"Founder. Author. Builder.","postpress":{"location":{"id":"105015875"},"pictureSettings":{"filter":"STUDIO",` +
		`"layout":{"bottomLeft":{"x":1.25,"y":1.25}}}},"picture":"` + picture.Reference() + `"}`
	if string(e.Patch) != want || len(e.Items) != 1 || e.Items[0].Op != sinks.AddItem || e.Items[0].Field != "workExperiences" || picture.MediaType != "image/jpeg" ||
		string(e.Items[0].Body) != `{"jobTitle":"Founder","company":"postpress","postpress":{"skills":["development","management"]}}` {
		t.Errorf("%s %s", e.Patch, e.Items[0].Body)
	}
}
