package formats

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
)

// The bounds of an archive: how large one table may be unpacked, in bytes, and how many
// rows of it are read. LinkedIn's own are far below them.
const (
	maxTable = 8 << 20
	maxRows  = 2000
)

// table is one file of the archive: what becomes of a row.
type table struct {
	name string // without ".csv"
	read func(im *Import, row *row)
}

// tables are the files with something of a profile in them, with the columns that LinkedIn
// gives them. Everything else in the archive (messages, connections, advertising) is not a
// profile and is not unpacked.
func tables() []table {
	collect := func(field string, members map[string]string, more ...func(r *row, m map[string]any)) func(*Import, *row) {
		return func(im *Import, r *row) {
			m := map[string]any{}
			for column, member := range members {
				m[member] = r.text(column)
			}
			for _, f := range more {
				f(r, m)
			}
			im.add(field, r.item(m))
		}
	}
	// dates takes columns and members by turns.
	dates := func(names ...string) func(*row, map[string]any) {
		return func(r *row, m map[string]any) {
			for i := 0; i < len(names); i += 2 {
				m[names[i+1]] = r.date(names[i])
			}
		}
	}
	period := dates("Started On", "startDate", "Finished On", "endDate")
	return []table{
		{"Profile", profileRow},
		{"Email Addresses", func(im *Import, r *row) {
			address, primary := r.text("Email Address"), r.text("Primary")
			r.used["Confirmed"], r.used["Updated On"] = true, true
			if strings.EqualFold(primary, "Yes") {
				im.set("email", r.at, address)
			} else {
				im.skip(r.at, "a profile has one e-mail address, and another is the primary one")
			}
		}},
		{"PhoneNumbers", collect("phones", map[string]string{"Number": "number"}, func(r *row, m map[string]any) {
			m["type"] = strings.ToUpper(r.text("Type"))
		})},
		{"Positions", collect("workExperiences", map[string]string{"Company Name": "company", "Title": "jobTitle", "Description": "description", "Location": "location"}, period)},
		{"Education", collect("educations", map[string]string{"School Name": "school", "Degree Name": "degree", "Activities": "activities", "Notes": "description"},
			dates("Start Date", "startDate", "End Date", "endDate"))},
		{"Skills", collect("skills", map[string]string{"Name": "name"})},
		{"Languages", collect("languages", map[string]string{"Name": "name"}, func(r *row, m map[string]any) { m["proficiency"] = proficiency(r.text("Proficiency")) })},
		{"Certifications", collect("certificates", map[string]string{"Name": "name", "Authority": "issuer", "Url": "verificationUrl", "License Number": "credentialId"},
			dates("Started On", "issueDate", "Finished On", "expiryDate"))},
		{"Projects", collect("projects", map[string]string{"Title": "name", "Description": "description", "Url": "url"}, period)},
		{"Publications", collect("publications", map[string]string{"Name": "name", "Publisher": "publisher", "Description": "description", "Url": "url"},
			dates("Published On", "date"))},
		{"Honors", collect("awards", map[string]string{"Title": "name", "Description": "description"}, dates("Issued On", "date"))},
		{"Courses", collect("courses", map[string]string{"Name": "name", "Number": "number"})},
		{"Organizations", collect("organizations", map[string]string{"Name": "name", "Position": "position", "Description": "description"}, period)},
		{"Test Scores", collect("testScores", map[string]string{"Name": "name", "Score": "score", "Description": "description"}, dates("Test Date", "date"))},
		{"Volunteering", collect("volunteering", map[string]string{"Company Name": "organisation", "Role": "role", "Description": "description"}, period,
			func(r *row, m map[string]any) { m["cause"] = cause(r.text("Cause")) })},
	}
}

func profileRow(im *Import, r *row) {
	for _, c := range []struct{ column, field string }{{"First Name", "firstName"}, {"Last Name", "lastName"}, {"Maiden Name", "maidenName"}, {"Address", "address"},
		{"Headline", "headline"}, {"Summary", "summary"}, {"Industry", "sector"}, {"Zip Code", "postalCode"}} {
		im.set(c.field, r.at+" "+c.column, r.text(c.column))
	}
	im.set("birthDate", r.at+" Birth Date", r.day("Birth Date"))
	// "Lisbon, Portugal", "London, England, United Kingdom", or a country alone.
	if place := split(r.text("Geo Location")); len(place) > 0 {
		last := len(place) - 1
		at := r.at + " Geo Location"
		if last > 0 || ledger.CountryCode(place[0]) != "" {
			im.set("country", at, place[last])
		} else {
			im.set("city", at, place[0])
		}
		if last > 0 {
			im.set("city", at, place[0])
		}
		if last > 1 {
			im.set("province", at, strings.Join(place[1:last], ", "))
		}
	}
	for _, handle := range bracketed(r.text("Twitter Handles")) {
		im.set("twitter", r.at+" Twitter Handles", handle)
	}
	taken := map[string]bool{}
	for _, site := range bracketed(r.text("Websites")) {
		category, address, ok := strings.Cut(site, ":")
		if !ok || strings.HasPrefix(address, "//") {
			category, address = "", site
		}
		at := r.at + " Websites"
		field := map[string]string{"PERSONAL": "website", "PORTFOLIO": "portfolio"}[category]
		if field != "" && !taken[field] {
			taken[field] = true
			im.set(field, at, address)
			continue
		}
		im.add("websites", item{members: map[string]any{"url": address, "category": category}, from: at})
	}
	for _, account := range bracketed(r.text("Instant Messengers")) {
		kind, name, _ := strings.Cut(account, ":")
		if field := strings.ToLower(kind); field == "skype" || field == "telegram" {
			im.set(field, r.at+" Instant Messengers", name)
		} else {
			im.skip(r.at+" Instant Messengers", "there is no field for this service")
		}
	}
	r.rest()
}

// ReadLinkedIn reads the archive that LinkedIn gives a member ("Get a copy of your data").
// Errors: a *ledger.Refusal when it is no such archive, or its tables are damaged or beyond
// the bounds.
func ReadLinkedIn(file []byte) (*Import, error) {
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, ledger.Refuse("", ledger.CodeFormat, "the file is no zip archive, or it is not whole")
	}
	im := &Import{}
	known, other := 0, 0
	for _, t := range tables() {
		for _, f := range z.File {
			if tableName(f.Name) != strings.ToLower(t.name) {
				continue
			}
			known++
			if err := im.table(f, t); err != nil {
				return nil, err
			}
		}
	}
	for _, f := range z.File {
		name := tableName(f.Name)
		if !strings.HasSuffix(f.Name, "/") && !slices.ContainsFunc(tables(), func(t table) bool { return strings.ToLower(t.name) == name }) {
			other++
		}
	}
	if known == 0 {
		return nil, ledger.Refuse("", ledger.CodeFormat, "the archive has none of LinkedIn's tables (Profile.csv, Positions.csv, ...)")
	}
	if other > 0 {
		im.skip(fmt.Sprintf("%d other files", other), "they are no part of a profile, or this reader does not know them")
	}
	return im, nil
}

// tableName is the name of a file as tables are called: LinkedIn has written it with blanks
// and with underscores, with and without a folder.
func tableName(file string) string {
	name := strings.ToLower(path.Base(file))
	if !strings.HasSuffix(name, ".csv") {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSuffix(name, ".csv"), "_", " ")
}

func (im *Import) table(f *zip.File, t table) error {
	damaged := func(why string) error { return ledger.Refuse("", ledger.CodeFormat, t.name+".csv "+why) }
	r, err := f.Open()
	if err != nil {
		return damaged("cannot be unpacked")
	}
	content, err := io.ReadAll(io.LimitReader(r, maxTable+1))
	if err := errors.Join(err, r.Close()); err != nil {
		return damaged("cannot be unpacked")
	}
	if len(content) > maxTable {
		return ledger.Refuse("", ledger.CodeTooLong, fmt.Sprintf("%s.csv is over %d MiB", t.name, maxTable>>20))
	}
	c := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))))
	c.LazyQuotes, c.FieldsPerRecord = true, -1
	header, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return damaged("is no table")
	}
	for n := 1; ; n++ {
		record, err := c.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return damaged("is no table")
		case n > maxRows:
			return ledger.Refuse("", ledger.CodeTooMany, fmt.Sprintf("%s.csv has more than %d rows", t.name, maxRows))
		}
		t.read(im, newRow(im, fmt.Sprintf("%s.csv row %d", t.name, n), header, record))
	}
}

// row is one line of a table.
type row struct {
	im      *Import
	at      string
	columns []string
	cells   map[string]string
	used    map[string]bool
}

func newRow(im *Import, at string, header, record []string) *row {
	r := &row{im: im, at: at, cells: map[string]string{}, used: map[string]bool{}}
	for i, name := range header {
		if name = strings.TrimSpace(name); i < len(record) && name != "" {
			r.columns = append(r.columns, name)
			r.cells[name] = strings.TrimSpace(strings.ToValidUTF8(record[i], "\uFFFD"))
		}
	}
	if len(record) > len(header) {
		im.skip(at, "it has more cells than the table has columns")
	}
	return r
}

func (r *row) text(column string) string {
	r.used[column] = true
	return r.cells[column]
}

// item ends the reading of a row that became an item.
func (r *row) item(members map[string]any) item {
	r.rest()
	start, _ := members["startDate"].(string)
	end, _ := members["endDate"].(string)
	return item{members: members, from: r.at, ongoing: start != "" && end == "" && r.cells["Finished On"] == "" && r.cells["End Date"] == ""}
}

func (r *row) rest() {
	for _, c := range r.columns {
		if !r.used[c] && r.cells[c] != "" {
			r.im.skip(r.at+" "+c, "there is no field for it")
		}
	}
}

// date reads a date as LinkedIn writes it, as exactly as it is said.
func (r *row) date(column string) string {
	s := r.text(column)
	if s == "" {
		return ""
	}
	for _, form := range []struct{ in, out string }{{"Jan 2006", "2006-01"}, {"2006", "2006"}, {"Jan 2, 2006", "2006-01-02"}, {"January 2006", "2006-01"},
		{"January 2, 2006", "2006-01-02"}, {"2 Jan 2006", "2006-01-02"}, {"2006-01-02", "2006-01-02"}, {"2006-01", "2006-01"}, {"01/2006", "2006-01"}} {
		if t, err := time.Parse(form.in, s); err == nil {
			return t.Format(form.out)
		}
	}
	r.im.skip(r.at+" "+column, "it is no date that this reader knows")
	return ""
}

// day is date for what must have a day.
func (r *row) day(column string) string {
	s := r.date(column)
	if s != "" && len(s) < len("2006-01-02") {
		r.im.skip(r.at+" "+column, "it has no day")
		return ""
	}
	return s
}

// bracketed reads "[a,b]".
func bracketed(s string) []string { return split(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")) }

// split reads "a, b".
func split(s string) (out []string) {
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// proficiency is LinkedIn's word for what its archive calls by a phrase; another phrase
// stays as it is.
func proficiency(phrase string) string {
	word, ok := map[string]string{"elementary proficiency": "ELEMENTARY", "limited working proficiency": "LIMITED_WORKING",
		"professional working proficiency": "PROFESSIONAL_WORKING", "full professional proficiency": "FULL_PROFESSIONAL",
		"native or bilingual proficiency": "NATIVE_OR_BILINGUAL"}[strings.ToLower(phrase)]
	if !ok {
		return phrase
	}
	return word
}

// cause is LinkedIn's word for a voluntary cause that its archive writes in large letters
// ("ECONOMIC_EMPOWERMENT") or in words ("Economic Empowerment").
func cause(said string) string {
	folded := func(s string) string {
		return strings.NewReplacer("_", "", " ", "", "and", "").Replace(strings.ToLower(s))
	}
	f, _, _ := ledger.Lookup("volunteering")
	for _, m := range f.Item {
		if m.Name != "cause" {
			continue
		}
		for _, h := range m.Homes {
			for _, word := range h.Enum {
				if folded(word) == folded(said) {
					return word
				}
			}
		}
	}
	return said
}
