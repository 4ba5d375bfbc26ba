package jarvi

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitae/ledger"
	"vitae/sinks"
)

// example is the request of the documentation. The ids and files in it are only hinted at
// there; here they are whole.
const example = `{
  "projectId": "713a8005-e54d-4ee3-b6a4-89b27167dde6",
  "firstName": "Quentin",
  "lastName": "Decré",
  "emailAddresses": "quentin@jarvi.tech, quentin@decre.tech",
  "phoneNumbers": "+33752626164,0240493773",
  "linkedinUrl": "https://www.linkedin.com/in/quentindecre/",
  "historyEntrySubject": "Interview notes",
  "historyEntryMessage": "The message of the historyentry you want to show in the profile’s Jarvi history",
  "resumesFiles": [{"fileName": "cv.pdf", "data": "data:@file/pdf;base64,JVBERi0AABTLAAAAAAA="}],
  "files": [{"fileName": "motivation.docx", "data": "data:@file/vnd.openxmlformats-officedocument.wordprocessingml.document;base64,UEsDBBQAABTLAAAAAAA="}],
  "externalId": "Your id. Will merge with exisiting profile with same externalId",
  "location": "Rennes, France",
  "headline": "Co-Founder Jarvi",
  "currentCompanyName": "Jarvi",
  "currentCompanyId": "Jarvi",
  "currentPosition": "Co-founder",
  "0B538428-7652-4243-baaf-3867803d7007": "My custom field value for this profile",
  "historyEntryType": "2788baea-1119-46d9-8e60-af9d6a1268e1"
}`

func parsed(t *testing.T, body string) *Inbound {
	t.Helper()
	in, err := ParsePost([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return in
}

func wrong(t *testing.T, body string) map[string]string {
	t.Helper()
	_, err := ParsePost([]byte(body))
	var refusal *ledger.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("%s: %v", body, err)
	}
	out := map[string]string{}
	for _, f := range refusal.Fields {
		out[MemberOf(f.Pointer)] = f.Code
	}
	return out
}

func hashesOf(in *Inbound) (hashes []ledger.Hash) {
	for _, f := range in.Files {
		hashes = append(hashes, ledger.HashOf(f.Content))
	}
	return hashes
}

func TestInboundExample(t *testing.T) {
	in := parsed(t, example)
	if in.ID != nil || in.ExternalID != "Your id. Will merge with exisiting profile with same externalId" {
		t.Errorf("%v %q", in.ID, in.ExternalID)
	}
	if len(in.Files) != 2 || in.Files[0].MediaType != "application/pdf" || in.Files[1].MediaType != "application/vnd.openxmlformats-officedocument.wordprocessingml.document" ||
		!bytes.HasPrefix(in.Files[0].Content, []byte("%PDF-")) || in.Files[0].Field != "jarvi.resumesFiles" || in.Files[1].Field != "jarvi.files" {
		t.Errorf("%+v", in.Files)
	}
	e := in.Edits(nil, hashesOf(in))
	const want = `{"jarvi":{"projectId":"713a8005-e54d-4ee3-b6a4-89b27167dde6","emailAddresses":["quentin@decre.tech"],"currentCompanyId":"Jarvi","custom":{"0b538428-7652-4243-baaf-3867803d7007":"My custom field value for this profile"}}}`
	const scalars = `"firstName":"Quentin","lastName":"Decré","email":"quentin@jarvi.tech","phones":[{"number":"+33752626164"},{"number":"0240493773"}],` +
		`"linkedIn":"https://www.linkedin.com/in/quentindecre/","city":"Rennes","country":"France","headline":"Co-Founder Jarvi","employer":"Jarvi","jobTitle":"Co-founder",`
	if got := string(e.Patch); got != "{"+scalars+want[1:] {
		t.Errorf("got  %s\nwant %s", got, "{"+scalars+want[1:])
	}
	if len(e.Items) != 3 || e.Items[0].Field != "jarvi.historyEntries" || e.Items[1].Field != "jarvi.resumesFiles" || e.Items[2].Field != "jarvi.files" ||
		!strings.Contains(string(e.Items[0].Body), `"type":"2788baea-1119-46d9-8e60-af9d6a1268e1"`) ||
		string(e.Items[1].Body) != `{"fileName":"cv.pdf","file":"sha256:`+ledger.HashOf(in.Files[0].Content).String()+`"}` {
		t.Errorf("%d edits", len(e.Items))
	}
}

// TestInboundNullIsAbsent, and an empty text is neither.
func TestInboundNullIsAbsent(t *testing.T) {
	names := []string{"id", "externalId", "files", "resumesFiles", "historyEntrySubject", "historyEntryMessage", "historyEntryType", uuidA}
	for _, f := range fields {
		names = append(names, f.name)
	}
	for _, name := range names {
		in := parsed(t, `{"`+name+`":null}`)
		if e := in.Edits(state(), nil); in.ID != nil || in.ExternalID != "" || e.Patch != nil || e.Items != nil {
			t.Errorf("%s: null does something: %s", name, e.Patch)
		}
		want := map[string]string{name: ledger.CodeEmpty}
		if strings.HasSuffix(name, "iles") {
			want[name] = ledger.CodeWrongType
		}
		if got := wrong(t, `{"`+name+`":""}`); !maps.Equal(got, want) {
			t.Errorf("%s: empty: %v", name, got)
		}
	}
	if in := parsed(t, `{}`); in.Edits(nil, nil).Patch != nil {
		t.Error("an empty body edits something")
	}
	if got := wrong(t, `{"nope":null}`); got["nope"] != ledger.CodeUnknownField {
		t.Errorf("%v", got)
	}
}

// TestInboundTrapListsAreTexts: addresses and numbers are one text each, parted by commas.
func TestInboundTrapListsAreTexts(t *testing.T) {
	got := wrong(t, `{"emailAddresses":["a@b.example"],"phoneNumbers":["1"]}`)
	if want := (map[string]string{"emailAddresses": "wrong_type", "phoneNumbers": "wrong_type"}); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for _, bad := range []string{`"\"Doe, Jane\" <a@b.example>"`, `"a@b.example, nobody"`, `", ,"`} {
		if got := wrong(t, `{"emailAddresses":`+bad+`}`); len(got) != 1 || got["emailAddresses"] == "" {
			t.Errorf("%s: %v", bad, got)
		}
	}
	p := state()
	set(t, p, "phone", `"1"`, "phone.type", `"WORK"`)
	add(t, p, "phones", "x", `{"number":"2","type":"HOME"}`)
	e := parsed(t, `{"phoneNumbers":" 3, 2 ,1,,3"}`).Edits(p, nil)
	if string(e.Patch) != `{"phones":[{"number":"3"},{"number":"2","type":"HOME"},{"number":"1","type":"WORK"}]}` {
		t.Errorf("%s", e.Patch)
	}
}

func TestInboundLocation(t *testing.T) {
	p := state()
	set(t, p, "country", `"France"`)
	for text, want := range map[string]string{
		"Rennes, France":           `{"city":"Rennes","country":"France"}`,
		"Rennes, Bretagne, France": `{"city":"Rennes, Bretagne","country":"France"}`,
		"Berlin":                   `{"city":"Berlin","country":null}`,
		", Spain":                  `{"country":"Spain"}`,
	} {
		if got := string(parsed(t, `{"location":"`+text+`"}`).Edits(p, nil).Patch); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	if got := string(parsed(t, `{"location":"Berlin"}`).Edits(nil, nil).Patch); got != `{"city":"Berlin"}` {
		t.Errorf("%s", got)
	}
	if got := wrong(t, `{"location":" , "}`); got["location"] != ledger.CodeEmpty {
		t.Errorf("%v", got)
	}
}

// TestInboundRefusalsAreInOrder: both parts of a place are wrong, and which one is said
// first is not left to chance.
func TestInboundRefusalsAreInOrder(t *testing.T) {
	body := []byte(`{"location":"` + strings.Repeat("c", ledger.MaxText+1) + ", " + strings.Repeat("f", 101) + `"}`)
	first := ""
	for range 20 {
		_, err := ParsePost(body)
		var refusal *ledger.Refusal
		if !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		got := fmt.Sprint(refusal.Fields)
		if first == "" {
			first = got
		}
		if len(refusal.Fields) < 2 || got != first {
			t.Fatalf("%s\n%s", first, got)
		}
	}
}

// TestInboundTrapCustomFieldsAreAtTheTop: by their uuids, and always texts.
func TestInboundTrapCustomFieldsAreAtTheTop(t *testing.T) {
	got := wrong(t, `{"`+uuidA+`":true,"customFieldsValues":{"`+uuidB+`":"x"},"`+strings.ToUpper(uuidB)+`":"a","`+uuidB+`":"b"}`)
	if want := (map[string]string{uuidA: "wrong_type", "customFieldsValues": "unknown_field", uuidB: "duplicate"}); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// TestInboundFiles: a file is a data URI of exactly one form.
func TestInboundFiles(t *testing.T) {
	for data, media := range map[string]string{
		"data:@file/pdf;base64,AAAA": "application/pdf", "data:@file/jpg;base64,AA==": "image/jpeg", "data:@file/plain;base64,AAE=": "text/plain", "data:@file/PNG;base64,AAAA": "image/png",
	} {
		if in := parsed(t, `{"files":[{"fileName":"f","data":"`+data+`"}]}`); in.Files[0].MediaType != media {
			t.Errorf("%s: %s", data, in.Files[0].MediaType)
		}
	}
	for _, bad := range []string{"", "AAAA", "data:application/pdf;base64,AAAA", "data:@file/;base64,AAAA", "data:@file/pdf,AAAA", "data:@file/pdf;base64,", "data:@file/pdf;base64,AAA",
		"data:@file/pdf;base64,AAB=", "data:@file/pdf;base64,AAAA\\n", "data:@file/pdf;base64,AA-_", "data:@file/pdf;base64,JVBERi0......AABTLAAAAAA=", " data:@file/pdf;base64,AAAA"} {
		if got := wrong(t, `{"files":[{"fileName":"f","data":"`+bad+`"}]}`); !maps.Equal(got, map[string]string{"files.0.data": ledger.CodeFormat}) {
			t.Errorf("%q: %v", bad, got)
		}
	}
	got := wrong(t, `{"files":{},"resumesFiles":[{},7,{"fileName":"","data":1,"x":2}]}`)
	want := map[string]string{"files": "wrong_type", "resumesFiles.0.fileName": "required", "resumesFiles.0.data": "required", "resumesFiles.1": "wrong_type",
		"resumesFiles.2.fileName": "empty", "resumesFiles.2.data": "wrong_type", "resumesFiles.2.x": "unknown_field"}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestInboundRefusals(t *testing.T) {
	got := wrong(t, `{"id":"7","projectId":"x","firstName":1,"lastName":"`+strings.Repeat("é", 101)+`","historyEntryType":"x","externalId":"`+strings.Repeat("x", 201)+`","jarvi":{}}`)
	want := map[string]string{"id": "invalid_format", "projectId": "invalid_format", "firstName": "wrong_type", "lastName": "too_long", "historyEntryType": "invalid_format",
		"externalId": "too_long", "jarvi": "unknown_field"}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	parsed(t, `{"lastName":"`+strings.Repeat("e\u0301", 100)+`"}`)
	for _, bad := range []string{``, `[]`, `null`, `{"firstName":"a","firstName":"b"}`, "{\"firstName\":\"\xff\"}", `{} x`} {
		if _, err := ParsePost([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	for pointer, name := range map[string]string{"/jobTitle": "currentPosition", "/employer": "currentCompanyName", "/phones/1/number": "phoneNumbers", "/jarvi/projectId": "projectId",
		"/jarvi/custom/" + uuidA: uuidA, "/email": "emailAddresses", "/city": "location", "": "", "/files/0/data": "files.0.data"} {
		if got := MemberOf(pointer); got != name {
			t.Errorf("%s: %s, want %s", pointer, got, name)
		}
	}
}

func TestUUID(t *testing.T) {
	id := ledger.NewProfileID(time.Now())
	text := UUID(id)
	if back, ok := ParseUUID(strings.ToUpper(text)); !ok || back != id || !uuidForm.MatchString(text) {
		t.Errorf("%s", text)
	}
	for _, bad := range []string{"", text[1:], text + "0", strings.ReplaceAll(text, "-", ""), "00000000-0000-0000-0000-000000000000", id.String()} {
		if _, ok := ParseUUID(bad); ok {
			t.Errorf("%q is an id", bad)
		}
	}
}

// applyTo makes a state what edits say, as the ledger would.
func applyTo(t testing.TB, p *ledger.Profile, e sinks.Edits) {
	n, err := ledger.ParseJSON(e.Patch)
	if e.Patch != nil && err != nil {
		t.Fatal(err)
	}
	var walk func(prefix string, n ledger.Node)
	walk = func(prefix string, n ledger.Node) {
		for _, m := range n.Members {
			name := prefix + m.Name
			switch {
			case ledger.IsGroup(name):
				walk(name+".", m.Node)
			case name == "phones":
				delete(p.Lists, name)
				for i, item := range m.Node.Elems {
					number, _ := item.Member("number")
					if i == 0 {
						set(t, p, "phone", string(number.Append(nil)))
						continue
					}
					add(t, p, name, "n"+number.Text, string(item.Append(nil)))
				}
			case m.Node.Kind == ledger.NodeNull:
				delete(p.Shared, name)
			default:
				set(t, p, name, string(m.Node.Append(nil)))
			}
		}
	}
	walk("", n)
	for i, item := range e.Items {
		add(t, p, item.Field, "item"+string(rune('a'+i)), string(item.Body))
	}
}

// TestInboundThenOutbound: what a request sets is what the next request to Jarvi has.
func TestInboundThenOutbound(t *testing.T) {
	in := parsed(t, example)
	p := state()
	applyTo(t, p, in.Edits(p, hashesOf(in)))
	sent, err := ledger.ParseJSON([]byte(made(t, Entity, p)))
	if err != nil {
		t.Fatal(err)
	}
	came, _ := ledger.ParseJSON([]byte(example))
	for _, f := range fields {
		want, _ := came.Member(f.name)
		got, _ := sent.Member(f.name)
		switch f.name {
		case phoneNumbers:
			want.Text = "+33752626164, 0240493773"
		}
		if got.Text != want.Text || want.Text == "" {
			t.Errorf("%s: %q, want %q", f.name, got.Text, want.Text)
		}
	}
	if v, _ := sent.Member(uuidA); v.Text != "My custom field value for this profile" {
		t.Errorf("%v", v)
	}
	rapid.Check(t, func(rt *rapid.T) {
		p := full(t)
		word := rapid.StringMatching(`[a-zé]{1,9}`)
		body := object()
		for _, f := range append(slices.Clone(fields), field{uuidB, nil, false}) {
			if !rapid.Bool().Draw(rt, f.name) {
				continue
			}
			v := word.Draw(rt, "text")
			switch f.name {
			case "projectId":
				v = uuidB
			case emails:
				v = strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x@example.com", "y@example.com", "z@example.org"}), 1, 3, rapid.ID).Draw(rt, "addresses"), ", ")
			case "linkedinUrl":
				v = "https://linkedin.com/in/x"
			case phoneNumbers:
				v = strings.Join(rapid.SliceOfNDistinct(word, 1, 4, rapid.ID).Draw(rt, "numbers"), ", ")
			case location:
				v = strings.Join(rapid.SliceOfN(word, 1, 3).Draw(rt, "places"), ", ")
			}
			body.Members = append(body.Members, member(f.name, ledger.TextNode(v)))
		}
		in, err := ParsePost(body.Append(nil))
		if err != nil {
			rt.Fatalf("%v", err)
		}
		applyTo(t, p, in.Edits(p, nil))
		sent, err := ledger.ParseJSON([]byte(made(t, Entity, p)))
		if err != nil {
			rt.Fatalf("%v", err)
		}
		for _, m := range body.Members {
			if got, _ := sent.Member(m.Name); got.Text != m.Node.Text {
				rt.Fatalf("%s: came in as %q and goes out as %q", m.Name, m.Node.Text, got.Text)
			}
		}
	})
}

// TestRowsReadAsBuilt: what we show of a profile, our own client of Jarvi understands.
func TestRowsReadAsBuilt(t *testing.T) {
	p := full(t)
	row, err := Row(p)
	if err != nil {
		t.Fatal(err)
	}
	answer := object(member("data", ledger.Node{Kind: ledger.NodeArray, Elems: []ledger.Node{row}}), member("total", ledger.Node{Kind: ledger.NodeNumber, Text: "1"}))
	rows, strangers, ok := parseRows(answer.Append(nil), "ext-1")
	sent, _ := ledger.ParseJSON([]byte(made(t, Entity, p)))
	if !ok || strangers || len(rows) != 1 {
		t.Fatalf("%s", answer.Append(nil))
	}
	for _, f := range fields {
		got, _ := rows[0].Member(f.name)
		want, _ := sent.Member(f.name)
		if f.readable && got.Text != want.Text {
			t.Errorf("%s: %q, want %q", f.name, got.Text, want.Text)
		}
	}
	delete(p.Connections, ledger.Jarvi)
	if row, _ := Row(p); func() string { v, _ := row.Member(externalID); return v.Text }() != p.ID.String() {
		t.Error("without a connection the externalId is the profile's id")
	}
	if len(row.Members) != len(columns) {
		t.Errorf("%d columns", len(row.Members))
	}
}

// TestInboundTrapWhere: a where that is not understood is refused, and does not find everybody.
func TestInboundTrapWhere(t *testing.T) {
	p := state()
	set(t, p, "firstName", `"Quentin"`, "lastName", `"De_cré"`, "email", `"q@jarvi.tech"`, "phone", `"+33 7"`)
	row, err := Row(p)
	if err != nil {
		t.Fatal(err)
	}
	id := UUID(p.ID)
	for where, want := range map[string]bool{
		`{}`:                          true,
		`{"id":{"_eq":"` + id + `"}}`: true,
		`{"id":{"_eq":"` + strings.ToUpper(id) + `"}}`:                       true,
		`{"externalId":{"_eq":"ext-1"}}`:                                     true,
		`{"externalId":{"_eq":"EXT-1"}}`:                                     false,
		`{"externalId":{"_in":["x","ext-1"]},"firstName":{"_eq":"Quentin"}}`: true,
		`{"externalId":{"_in":[]}}`:                                          false,
		`{"externalId":{"_eq":"ext-1"},"firstName":{"_eq":"Other"}}`:         false,
		`{"firstName":{"_ilike":"qu%"}}`:                                     true,
		`{"firstName":{"_ilike":"q_entin"}}`:                                 true,
		`{"firstName":{"_ilike":"uent"}}`:                                    false,
		`{"lastName":{"_ilike":"de\\_CRÉ"}}`:                                 true,
		`{"firstName":{"_ilike":"quenti\\_"}}`:                               false,
		`{"firstName":{"_ilike":".*"}}`:                                      false,
		`{"_or":[{"firstName":{"_eq":"x"}},{"lastName":{"_search":"CRÉ"}}]}`: true,
		`{"_or":[{"firstName":{"_eq":"x"}}]}`:                                false,
		`{"_search":"quentin de_cré q@"}`:                                    true,
		`{"_search":"nobody"}`:                                               false,
		`{"deletedAt":{"_eq":null},"isTalent":{"_eq":false}}`:                true,
		`{"firstName":{"_gt":"Q","_ilike":"%n"}}`:                            true,
		`{"firstName":{"_gt":"R"}}`:                                          false,
	} {
		w, err := ParseWhere(where)
		if err != nil || w.Matches(row) != want {
			t.Errorf("%s: %v, want %v (%v)", where, err == nil && w.Matches(row), want, err)
		}
	}
	for _, bad := range []string{``, `x`, `[]`, `null`, `"x"`, `{"nope":{"_eq":"x"}}`, `{"externalid":{"_eq":"x"}}`, `{"externalId":{"eq":"x"}}`, `{"externalId":{"_neq":"x"}}`,
		`{"externalId":"ext-1"}`, `{"externalId":{}}`, `{"externalId":null}`, `{"externalId":{"_eq":1}}`, `{"externalId":{"_eq":["x"]}}`, `{"externalId":{"_in":"x"}}`, `{"externalId":{"_in":[{}]}}`,
		`{"_or":{}}`, `{"_or":[]}`, `{"_or":[1]}`, `{"_or":[{"nope":{"_eq":"x"}}]}`, `{"_and":[]}`, `{"_search":1}`, `{"firstName":{"_ilike":null}}`, `{"firstName":{"_gt":1}}`,
		`{"phoneNumbers":{"_search":"7"}}`, `{"id":{"_eq":"a"},"id":{"_eq":"b"}}`, `{"firstName":{"_ilike":"` + strings.Repeat("%", 1001) + `"}}`} {
		if _, err := ParseWhere(bad); err == nil {
			t.Errorf("%s is understood", bad)
		}
	}
	w, _ := ParseWhere(`{"id":{"_eq":"a"},"externalId":{"_in":["b","c"]}}`)
	ids, ok1 := w.Only("id")
	accounts, ok2 := w.Only("externalId")
	if _, ok := w.Only("firstName"); ok || !ok1 || !ok2 || !slices.Equal(ids, []string{"a"}) || !slices.Equal(accounts, []string{"b", "c"}) {
		t.Errorf("%v %v", ids, accounts)
	}
	for _, bad := range []string{``, `1`, `{"nope":"asc"}`, `{"id":"up"}`, `[1]`} {
		if _, err := ParseOrder(bad); err == nil {
			t.Errorf("%s is an order", bad)
		}
	}
	rows := []ledger.Node{object(member("firstName", ledger.Node{})), object(member("firstName", ledger.TextNode("a"))), object(member("firstName", ledger.TextNode("b")))}
	order, err := ParseOrder(`[{"firstName":"desc"}]`)
	if err != nil {
		t.Fatal(err)
	}
	order(rows)
	if rows[0].Members[0].Node.Text != "b" || rows[2].Members[0].Node.Kind != ledger.NodeNull {
		t.Errorf("%v", rows)
	}
}

func FuzzParsePost(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(`{"location":",","phoneNumbers":",1","id":"d730cca9-d8b0-49e7-b2e0-c58c1bb7af9f"}`))
	f.Add([]byte(`{"files":[{"fileName":"a","data":"data:@file/pdf;base64,` + base64.StdEncoding.EncodeToString([]byte("x")) + `"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := ParsePost(body)
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
		p := state()
		applyTo(t, p, in.Edits(p, hashesOf(in)))
		if _, err := build(Entity, p); err != nil {
			t.Errorf("what came in cannot go out: %v", err)
		}
	})
}

func FuzzParseWhere(f *testing.F) {
	f.Add(`{"_or":[{"firstName":{"_ilike":"%a\\_"}}],"id":{"_in":["x",null,true]}}`)
	f.Add(`{"_search":"x","createdAt":{"_gt":"2026"}}`)
	row, err := Row(state())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if w, err := ParseWhere(text); err == nil {
			w.Matches(row)
			w.Only("id")
		}
	})
}

// TestAddressesReplace: a list of addresses is the whole list, and one address is in it once.
func TestAddressesReplace(t *testing.T) {
	p := state()
	for _, c := range [][2]string{
		{"a@example.com, b@example.com,c@example.com", "a@example.com, b@example.com, c@example.com"},
		{"b@example.com, b@example.com", "b@example.com"},
	} {
		applyTo(t, p, parsed(t, `{"emailAddresses":"`+c[0]+`"}`).Edits(p, nil))
		sent, err := ledger.ParseJSON([]byte(made(t, Entity, p)))
		if got, _ := sent.Member(emails); err != nil || got.Text != c[1] {
			t.Errorf("%s goes out as %q, %v", c[0], got.Text, err)
		}
	}
	if p.Scalar(otherEmails) != nil {
		t.Errorf("%s is left", p.Scalar(otherEmails))
	}
	set(t, p, otherEmails, `["b@example.com","d@example.com"]`) // b has become the first meanwhile
	if row, err := Row(p); err != nil || !strings.Contains(string(row.Append(nil)), "b@example.com d@example.com") {
		t.Errorf("%s %v", row.Append(nil), err)
	}
	if !strings.Contains(made(t, Entity, p), `"b@example.com, d@example.com"`) {
		t.Error(made(t, Entity, p))
	}
	if got := wrong(t, `{"emailAddresses":"a@example.com,nonsense"}`); got[emails] != ledger.CodeFormat {
		t.Errorf("%v", got)
	}
}
