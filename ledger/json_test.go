package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseJSONKeepsEverything(t *testing.T) {
	for in, want := range map[string]string{
		` {"b":1, "a" : [ ] ,"":{}} `:          `{"b":1,"a":[],"":{}}`,
		`[1e400,-0,1.10,12345678901234567890]`: `[1e400,-0,1.10,12345678901234567890]`,
		`"\u00e9\ud83d\ude00<>&\/\u2028"`:      "\"é😀<>&/\u2028\"",
		`"\u0000\n\""`:                         `"\u0000\n\""`,
		`null`:                                 `null`,
		"\ttrue\r\n":                           `true`,
		`{"a":null,"A":false}`:                 `{"a":null,"A":false}`,
	} {
		n, err := ParseJSON([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := string(n.Append(nil)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestParseJSONRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	if _, err := ParseJSON([]byte(deep(MaxDepth))); err != nil {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
	for in, want := range map[string]FieldError{
		`{"a":{"b":1,"b":2}}`:        {Pointer: "/a/b", Code: CodeDuplicate},
		`{"a":1,"\u0061":2}`:         {Pointer: "/a", Code: CodeDuplicate},
		`{"x/y~":[1,{"s":1,"s":1}]}`: {Pointer: "/x~1y~0/1/s", Code: CodeDuplicate},
		``:                           {Code: CodeSyntax},
		` `:                          {Code: CodeSyntax},
		`{"a":"secret`:               {Code: CodeSyntax, Pointer: "/a"},
		`{"a":secret}`:               {Code: CodeSyntax, Pointer: "/a"},
		`{"a":1}{"a":1}`:             {Code: CodeSyntax},
		`{"a":1} x`:                  {Code: CodeSyntax},
		`1 2`:                        {Code: CodeSyntax},
		`{"a":"\ud800"}`:             {Code: CodeSyntax, Pointer: "/a"},
		`{"a":"\udc00\ud800"}`:       {Code: CodeSyntax, Pointer: "/a"},
		"{\"a\":\"\xff\"}":           {Code: CodeSyntax, Pointer: "/a"},
		"\xef\xbb\xbf{}":             {Code: CodeSyntax},
		`{"a":01}`:                   {Code: CodeSyntax},
		`{"a":NaN}`:                  {Code: CodeSyntax, Pointer: "/a"},
		`{'a':1}`:                    {Code: CodeSyntax},
		`[1,]`:                       {Code: CodeSyntax},
		"\"a\nb\"":                   {Code: CodeSyntax},
		deep(MaxDepth + 1):           {Code: CodeSyntax, Pointer: strings.Repeat("/0", MaxDepth)},
		`{"k":` + strings.Repeat(`{"k":`, MaxDepth) + `1`: {Code: CodeSyntax, Pointer: strings.Repeat("/k", MaxDepth)},
	} {
		_, err := ParseJSON([]byte(in))
		var r *Refusal
		if !errors.As(err, &r) || len(r.Fields) != 1 {
			t.Errorf("%s: %v", in, err)
			continue
		}
		got := r.Fields[0]
		if got.Code != want.Code || got.Pointer != want.Pointer {
			t.Errorf("%.60s: %s at %q, want %s at %q", in, got.Code, got.Pointer, want.Code, want.Pointer)
		}
		if strings.Contains(got.Message, "secret") || got.Message == "" {
			t.Errorf("%s: message %q", in, got.Message)
		}
	}
}

func TestNodeMembers(t *testing.T) {
	n, err := ParseJSON([]byte(`{"a":null,"linkedIn":1,"linkedin":2}`))
	if err != nil {
		t.Fatal(err)
	}
	if a, ok := n.Member("a"); !ok || a.Kind != NodeNull {
		t.Error("null is not absent")
	}
	if _, ok := n.Member("b"); ok {
		t.Error("b is absent")
	}
	if got, _ := n.Member("linkedin"); got.Text != "2" {
		t.Error("names are told apart by case")
	}
	if got := PointerTo("/a", "b/c~d"); got != "/a/b~1c~0d" {
		t.Error(got)
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x",null,true,{"b":-1.5e3}]}`, `"\ud83d\ude00"`, `{"a":1,"a":2}`, "[\"\xff\"]", strings.Repeat("[", 70)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := ParseJSON(b)
		if err != nil {
			var r *Refusal
			if !errors.As(err, &r) || len(r.Fields) != 1 || !utf8.ValidString(r.Fields[0].Pointer) {
				t.Fatalf("%q: %v", b, err)
			}
			return
		}
		if !json.Valid(b) {
			t.Fatalf("%q is not JSON to the standard library", b)
		}
		once := n.Append(nil)
		again, err := ParseJSON(once)
		if err != nil {
			t.Fatalf("%q became %q: %v", b, once, err)
		}
		if twice := again.Append(nil); !bytes.Equal(once, twice) {
			t.Fatalf("%q, then %q", once, twice)
		}
	})
}
