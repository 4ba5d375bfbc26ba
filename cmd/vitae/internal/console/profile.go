package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"vitae/ledger"
)

// group is one part of the profile's form.
type group struct {
	Name   string
	Fields []string
}

// groups has every native scalar once.
func groups() []group {
	return []group{
		{"Identity", []string{"firstName", "lastName", "displayName", "nickName", "maidenName", "birthDate", "gender", "picture", "coverPicture"}},
		{"Contact", []string{"email", "phone", "landline", "address", "city", "postalCode", "province", "country"}},
		{"Work", []string{"headline", "jobTitle", "employer", "sector", "summary", "driverLicense"}},
		{"Links", []string{"linkedIn", "website", "portfolio", "twitter", "github", "instagram", "facebook", "skype", "telegram"}},
	}
}

// document is a profile as the API shows it.
type document struct {
	id   string
	seq  uint64
	data ledger.Node
}

func documentOf(a reply) (document, error) {
	var d document
	root, err := ledger.ParseJSON(a.body)
	if err != nil {
		return d, fmt.Errorf("the API's profile cannot be read: %w", err)
	}
	id, _ := root.Member("id")
	seq, _ := root.Member("seq")
	d.data, _ = root.Member("data")
	d.id = id.Text
	d.seq, err = strconv.ParseUint(seq.Text, 10, 64)
	if err != nil || d.data.Kind != ledger.NodeObject {
		return d, errors.New("the API's profile has no seq or no data")
	}
	return d, nil
}

// text is a scalar of the document; "" when it is not set.
func (d document) text(name string) string {
	n, _ := d.data.Member(name)
	return plain(n)
}

// document reads the profile, as it is now or as it was.
func (v *visit) document(at string) (document, error) {
	if !v.session.own && v.session.profile == "" {
		return document{}, errNoProfile
	}
	path := "/v1/profile"
	if at != "" {
		path += "?at=" + url.QueryEscape(at)
	}
	a, err := v.ask(call{method: http.MethodGet, path: path})
	if err != nil {
		return document{}, err
	}
	return documentOf(a)
}

// input is one field of the form.
type input struct {
	Name, Value string
	Kind        string // text, date, area
	Mode        string // inputmode
	Max         int
	Required    bool
	Error       string
	Now         string // after a conflict: what somebody else made of it
	Theirs      bool   // Now is to be shown
	Hint        string
}

type formGroup struct {
	Name   string
	Inputs []input
}

// table is a collection, read-only.
type table struct {
	Name    string
	Columns []string
	Rows    [][]string
}

// pair is a name and a value, read-only.
type pair struct{ Name, Value string }

type profileBody struct {
	Seq    uint64
	At     string
	Groups []formGroup
	Errors []string // those that belong to no field of the form
	Tables []table
	Empty  []string // collections without items
	Others []pair   // locale variants and what only one provider knows
	Reason string
}

// bodyOf makes the page of a document. typed overrides what the document has; wrong is
// what the API said about fields.
func bodyOf(d document, typed map[string]string, wrong []ledger.FieldError) profileBody {
	b := profileBody{Seq: d.seq}
	shown := map[string]bool{}
	said := map[string]string{}
	for _, e := range wrong {
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(e.Pointer, "/"))
		said[name] = strings.TrimPrefix(said[name]+"; "+e.Message, "; ")
	}
	for _, g := range groups() {
		fg := formGroup{Name: g.Name}
		for _, name := range g.Fields {
			shown[name] = true
			fg.Inputs = append(fg.Inputs, inputOf(name, d.text(name), typed, said[name]))
			delete(said, name)
		}
		b.Groups = append(b.Groups, fg)
	}
	for _, e := range wrong { // in their order
		name := strings.TrimPrefix(e.Pointer, "/")
		if said[name] != "" {
			b.Errors = append(b.Errors, strings.TrimPrefix(label(name)+": ", ": ")+said[name])
			delete(said, name)
		}
	}
	for _, m := range d.data.Members {
		switch f, _, known := ledger.Lookup(m.Name); {
		case shown[m.Name]:
		case m.Node.Kind == ledger.NodeArray && known && f.IsList() && len(m.Node.Elems) == 0:
			b.Empty = append(b.Empty, f.Name)
		case m.Node.Kind == ledger.NodeArray && known && f.IsList():
			b.Tables = append(b.Tables, tableOf(f, m.Node))
		case m.Node.Kind == ledger.NodeObject:
			for _, one := range m.Node.Members {
				b.Others = append(b.Others, pair{label(m.Name) + ": " + one.Name, plain(one.Node)})
			}
		default:
			b.Others = append(b.Others, pair{label(m.Name), plain(m.Node)})
		}
	}
	return b
}

func inputOf(name, value string, typed map[string]string, wrong string) input {
	f, _, _ := ledger.Lookup(name)
	in := input{Name: name, Value: value, Kind: "text", Max: f.Max, Required: !f.Clearable, Error: wrong}
	if in.Max == 0 {
		in.Max = ledger.MaxText
	}
	if text, ok := typed[name]; ok {
		in.Value = text
	}
	switch f.Kind {
	case ledger.KindDay:
		in.Kind, in.Max = "date", 0
	case ledger.KindEmail:
		in.Mode = "email"
	case ledger.KindURL, ledger.KindLinkedIn:
		in.Mode = "url"
	case ledger.KindFile:
		in.Hint = "The name of an uploaded file: sha256: and 64 digits. Upload with POST /v1/files."
	}
	// A one-line input would drop the line breaks of a value that has some.
	if name == "summary" || strings.ContainsAny(in.Value, "\r\n") {
		in.Kind = "area"
	}
	return in
}

// tableOf shows the members that any item has, in the order of the catalogue.
func tableOf(f ledger.Field, list ledger.Node) table {
	t := table{Name: f.Name}
	names := []string{"id"}
	for _, m := range f.Item {
		names = append(names, m.Name)
	}
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	used := map[string]bool{}
	for _, item := range list.Elems {
		for _, m := range item.Members {
			used[m.Name] = true
			if !known[m.Name] { // a locale variant
				names, known[m.Name] = append(names, m.Name), true
			}
		}
	}
	for _, n := range names {
		if used[n] {
			t.Columns = append(t.Columns, n)
		}
	}
	for _, item := range list.Elems {
		var row []string
		for _, n := range t.Columns {
			cell, _ := item.Member(n)
			row = append(row, plain(cell))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// profile shows the form, or with ?at= the past.
func (v *visit) profile() error {
	at := v.r.URL.Query().Get("at")
	d, err := v.document(at)
	if err != nil {
		var told *apiError
		if !errors.As(err, &told) {
			return err
		}
		v.show(told.status, "message", &view{Title: "Profile", Page: "profile", Words: told.Words()})
		return nil
	}
	b := bodyOf(d, nil, nil)
	if b.At = at; at != "" {
		v.show(http.StatusOK, "past", &view{Title: "Profile in the past", Page: "profile", Still: true, Body: b})
		return nil
	}
	v.show(http.StatusOK, "profile", &view{Title: "Profile", Page: "profile", Body: b})
	return nil
}

// lines makes the line breaks of a form those of a text.
func lines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// saveProfile sends what was changed in the form, and nothing else. What was changed is
// seen against the state that the form was made from.
func (v *visit) saveProfile() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	seq, err := strconv.ParseUint(form.Get("version"), 10, 63)
	if err != nil {
		return &apiError{status: http.StatusBadRequest, detail: "The form is not whole. Nothing was changed."}
	}
	now, err := v.document("")
	if err != nil {
		return err
	}
	base := now
	if now.seq != seq {
		if base, err = v.document(strconv.FormatUint(seq, 10)); err != nil {
			return err
		}
	}
	changed, typed := map[string]*string{}, map[string]string{}
	var wrong []ledger.FieldError
	for _, g := range groups() {
		for _, name := range g.Fields {
			texts, sent := form[name]
			if !sent || len(texts) == 0 || lines(texts[0]) == lines(base.text(name)) {
				continue
			}
			text := lines(texts[0])
			typed[name], changed[name] = text, &text
			if text == "" {
				changed[name] = nil
			}
			if !utf8.ValidString(text) {
				wrong = append(wrong, ledger.FieldError{Pointer: "/" + name, Message: "must be UTF-8"})
			}
		}
	}
	reason := strings.TrimSpace(form.Get("reason"))
	// again shows the form anew, on the present state. What somebody else made of a field
	// since is said beside it, also where the save failed for another reason.
	again := func(status int, words string, fields []ledger.FieldError) error {
		b := bodyOf(now, typed, fields)
		b.Reason = reason
		for i := range b.Groups {
			for j := range b.Groups[i].Inputs {
				in := &b.Groups[i].Inputs[j]
				in.Now = now.text(in.Name)
				in.Theirs = in.Now != base.text(in.Name) && in.Now != in.Value
			}
		}
		v.show(status, "profile", &view{Title: "Profile", Page: "profile", Words: words, Body: b})
		return nil
	}
	if wrong != nil {
		return again(http.StatusBadRequest, "Nothing was saved: see the fields that are marked.", wrong)
	}
	if len(changed) == 0 {
		v.goTo("/console/profile", "Nothing was changed.")
		return nil
	}
	_, err = v.ask(call{method: http.MethodPatch, path: "/v1/profile", body: changed, ifMatch: `"` + strconv.FormatUint(seq, 10) + `"`, reason: reason})
	var told *apiError
	switch {
	case err == nil:
		v.goTo("/console/profile", "Saved.")
		return nil
	case !errors.As(err, &told):
		return err
	case told.status == http.StatusPreconditionFailed:
		// It may have happened only now.
		if now, err = v.document(""); err != nil {
			return err
		}
		return again(http.StatusPreconditionFailed, "Someone else changed it while you were typing. Nothing was saved. Your changes are in the form, the other fields are as they are now. Check them and save again.", nil)
	case told.status == http.StatusBadRequest && told.fields != nil:
		return again(http.StatusBadRequest, "Nothing was saved: see the fields that are marked.", told.fields)
	case told.status == http.StatusForbidden:
		return again(http.StatusForbidden, "Your key may not change this. Nothing was saved.", nil)
	}
	return again(told.status, told.Words(), nil)
}
