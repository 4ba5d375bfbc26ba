package formats

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-vcard"
	"pgregory.net/rapid"

	"vitae/ledger"
)

var update = flag.Bool("update", false, "write the golden files")

// jane is the resume of testdata/jane.json: every native field, hostile texts among them.
func jane(t testing.TB) *Resume {
	t.Helper()
	b, err := os.ReadFile("testdata/jane.json")
	if err != nil {
		t.Fatal(err)
	}
	return read(t, b)
}

func read(t testing.TB, document []byte) *Resume {
	t.Helper()
	id, err := ledger.ParseProfileID("01J8Z3K5V6Q7R8S9T0V1W2X3Y4")
	if err != nil {
		t.Fatal(err)
	}
	r, err := ReadResume(id, ledger.Base, time.Date(2026, 5, 3, 10, 14, 0, 0, time.UTC), document)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is another: run with -update and look at the difference\n%s", name, got)
	}
}

func TestGolden(t *testing.T) {
	r := jane(t)
	resume, lostResume, err := JSONResume(r)
	if err != nil {
		t.Fatal(err)
	}
	card, lostCard := VCard(r, &Picture{MediaType: "image/png", Content: []byte("\x89PNG")})
	page, lostPage, err := HTML(r)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "jane.resume.json", resume)
	golden(t, "jane.vcf", card)
	golden(t, "jane.html", page)
	golden(t, "jane.lost", fmt.Appendf(nil, "jsonresume: %s\nvcard: %s\nhtml: %s\n", strings.Join(lostResume, " "), strings.Join(lostCard, " "), strings.Join(lostPage, " ")))
}

// TestJaneHasEverything: a field added to the catalogue must be looked at here.
func TestJaneHasEverything(t *testing.T) {
	r := jane(t)
	for _, f := range ledger.Catalogue() {
		if f.Hidden || f.Provider != "" {
			continue
		}
		if !f.IsList() {
			if r.fields[f.Name] == nil {
				t.Errorf("%s is missing in testdata/jane.json", f.Name)
			}
			continue
		}
		for _, m := range f.Item {
			if m.Kind == ledger.KindObject {
				continue // what only one provider knows
			}
			if !slices.ContainsFunc(r.items(f.Name), func(e map[string]any) bool { return e[m.Name] != nil }) {
				t.Errorf("%s.%s is missing in testdata/jane.json", f.Name, m.Name)
			}
		}
	}
}

// TestWhatIsCarried: a path that a format claims to carry changes what is written, and a
// path that it does not claim changes nothing.
func TestWhatIsCarried(t *testing.T) {
	formats := map[string]struct {
		carried carried
		write   func(r *Resume) []byte
	}{
		"jsonresume": {jsonCarries, func(r *Resume) []byte { b, _, err := JSONResume(r); check0(t, err); return b }},
		"vcard":      {vCardCarries, func(r *Resume) []byte { b, _ := VCard(r, nil); return b }},
		"html":       {htmlCarries, func(r *Resume) []byte { b, _, err := HTML(r); check0(t, err); return b }},
	}
	for name, f := range formats {
		whole := f.write(jane(t))
		seen := carried{}
		try := func(path string, change func(r *Resume)) {
			seen[path] = true
			r := jane(t)
			change(r)
			changed := !bytes.Equal(whole, f.write(r))
			switch {
			case path == "phone", path == "phones.number": // one number, shown in one of the two
			case path == "picture", path == "firstName" && name != "vcard", path == "lastName" && name != "vcard", strings.HasSuffix(path, ".isCurrent"):
				// The picture is given apart; displayName stands for both names; an end says it too.
			case changed != f.carried[path]:
				t.Errorf("%s: %s changes what is written: %v; it is said to be carried: %v", name, path, changed, f.carried[path])
			}
		}
		for _, c := range ledger.Catalogue() {
			switch {
			case c.Hidden || c.Provider != "":
			case !c.IsList():
				try(c.Name, func(r *Resume) { delete(r.fields, c.Name) })
			default:
				for _, m := range c.Item {
					if m.Kind == ledger.KindObject {
						continue
					}
					try(c.Name+"."+m.Name, func(r *Resume) {
						for _, e := range r.items(c.Name) {
							delete(e, m.Name)
						}
					})
				}
			}
		}
		for path := range f.carried {
			if !seen[path] {
				t.Errorf("%s: %s is no field", name, path)
			}
		}
	}
}

func check0(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestCardIsRead: a reader that is not ours finds the values.
func TestCardIsRead(t *testing.T) {
	r := jane(t)
	out, _ := VCard(r, nil)
	for line := range strings.SplitSeq(string(out), "\r\n") {
		if len(line) > foldAt {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	c, err := vcard.NewDecoder(bytes.NewReader(out)).Decode()
	if err != nil {
		t.Fatal(err)
	}
	for property, want := range map[string]string{"FN": r.name(), "EMAIL": r.text("email"), "TITLE": r.text("jobTitle"), "BDAY": "19900417",
		"NOTE": r.text("summary"), "NICKNAME": r.text("nickName"), "UID": "urn:vitae:" + r.Profile.String()} {
		if got := c.Value(property); got != want {
			t.Errorf("%s is %q, want %q", property, got, want)
		}
	}
	if n := len(c["TEL"]); n != len(r.items("phones"))+1 {
		t.Errorf("%d numbers", n)
	}
}

// TestPageIsSafe: nothing that a person wrote is markup, and nothing comes from elsewhere.
func TestPageIsSafe(t *testing.T) {
	out, _, err := HTML(jane(t))
	check0(t, err)
	page := string(out)
	if strings.Contains(page, "<script") || strings.Contains(page, "javascript:alert") && strings.Contains(page, `href="javascript:`) {
		t.Error("a value became markup")
	}
	for _, bad := range []string{"src=", "url(", "@import", "<link"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// bodies is what a file comes to for a resume.
func bodies(t testing.TB, im *Import, now *Resume, mode Mode, only ...string) (patch map[string]any, refused []Note) {
	t.Helper()
	shared, own, refused, err := im.Bodies(now, mode, only)
	check0(t, err)
	patch = map[string]any{}
	for _, b := range [][]byte{shared, own} {
		if b == nil {
			continue
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		check0(t, d.Decode(&patch))
	}
	return patch, refused
}

// TestJSONResumeThereAndBack: what was written and is read again changes nothing.
func TestJSONResumeThereAndBack(t *testing.T) {
	backAgain := func(t testing.TB, r *Resume) {
		t.Helper()
		out, _, err := JSONResume(r)
		check0(t, err)
		im, err := ReadJSONResume(out, r)
		check0(t, err)
		patch, refused := bodies(t, im, r, Merge)
		if len(refused) > 0 {
			t.Errorf("refused: %+v", refused)
		}
		if len(im.NotKept) > 0 {
			t.Errorf("not kept: %+v", im.NotKept)
		}
		for name, v := range patch {
			was := r.fields[name]
			if name == "phones" {
				continue
			}
			if !reflect.DeepEqual(v, was) {
				t.Errorf("%s was %v and becomes %v", name, was, v)
			}
		}
	}
	backAgain(t, jane(t))
	rapid.Check(t, func(rt *rapid.T) {
		r := jane(t)
		for _, name := range slices.Sorted(maps.Keys(r.fields)) {
			if rapid.Bool().Draw(rt, name) {
				if _, isList := r.fields[name].([]any); isList {
					r.fields[name] = []any{}
				} else {
					delete(r.fields, name)
				}
			}
		}
		backAgain(t, r)
	})
}

// TestReadJSONResume: what people's files hold.
func TestReadJSONResume(t *testing.T) {
	empty := read(t, []byte(`{}`))
	im, err := ReadJSONResume([]byte(`{"basics":{"name":"Jane Q. Doe","label":"Engineer","image":"https://x/y.png","email":"j@example.com","location":{"countryCode":"FR","city":"Lyon","zone":"x"},
		"profiles":[{"network":"X","username":"jane"},{"network":"Mastodon","url":"https://m.example/@jane"},{"network":"LinkedIn","username":"jane","url":"https://linkedin.com/in/jane"}]},
		"work":[{"name":"Acme","position":"Engineer","startDate":"2020-03","url":"https://acme.example","highlights":["a",1]},{"company":"Old","position":"Clerk","startDate":"2010","endDate":"2012-01-05"},
			{"position":"No company"},"x"],
		"skills":[{"name":"Go","level":"Master","keywords":["x"]},{"name":"SQL","level":"Expert"}],"references":[{"name":"A"}],
		"languages":[{"language":"French","fluency":"Native speaker"}],"certificates":[{"name":"C","date":"May 2020"}],"publications":null,"awards":{}}`), empty)
	check0(t, err)
	patch, refused := bodies(t, im, empty, Merge)
	got, err := json.Marshal(patch)
	check0(t, err)
	const want = `{"city":"Lyon","country":"France","email":"j@example.com","firstName":"Jane Q.","jobTitle":"Engineer",` +
		`"languages":[{"name":"French","proficiency":"Native speaker"}],"lastName":"Doe","linkedIn":"https://linkedin.com/in/jane",` +
		`"skills":[{"name":"Go"},{"level":"expert","name":"SQL"}],"twitter":"jane","websites":[{"category":"OTHER","label":"Mastodon","url":"https://m.example/@jane"}],` +
		`"workExperiences":[{"achievements":["a"],"company":"Acme","isCurrent":true,"jobTitle":"Engineer","startDate":"2020-03"},{"company":"Old","endDate":"2012-01-05","jobTitle":"Clerk","startDate":"2010"}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var places []string
	for _, n := range append(im.NotKept, refused...) {
		places = append(places, strings.TrimPrefix(n.At, "/"))
	}
	slices.Sort(places)
	if want := []string{"awards", "basics/image", "basics/location/zone", "certificates/0", "certificates/0/date", "references", "skills/0/keywords", "skills/0/level",
		"work/0/highlights/1", "work/0/url", "work/2", "work/3"}; !slices.Equal(places, want) {
		t.Errorf("noted %q\nwant  %q", places, want)
	}
	for _, bad := range []string{``, `[]`, `{"a":1,"a":2}`, "{\"a\":\"\xff\"}", `null`} {
		var refusal *ledger.Refusal
		if _, err := ReadJSONResume([]byte(bad), empty); !errors.As(err, &refusal) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestMergeAndReplace: what the file does not have stays, or goes; an exact date is not
// lost to a vague one; two stints in one job are told apart.
func TestMergeAndReplace(t *testing.T) {
	now := read(t, []byte(`{"workExperiences":[{"id":"a","company":"Acme","jobTitle":"Engineer","startDate":"2015-02-03","location":"Paris"},
		{"id":"b","company":"Acme","jobTitle":"Engineer","startDate":"2020-03-15"},{"id":"c","company":"Other","jobTitle":"Clerk"}]}`))
	im, err := ReadJSONResume([]byte(`{"work":[{"name":"ACME","position":"Engineer","startDate":"2020-03","endDate":"2021"},{"name":"New","position":"Boss","startDate":"2022"}]}`), now)
	check0(t, err)
	for mode, want := range map[Mode]string{
		Merge: `[{"company":"Acme","id":"a","jobTitle":"Engineer","location":"Paris","startDate":"2015-02-03"},{"company":"ACME","endDate":"2021","id":"b","jobTitle":"Engineer","startDate":"2020-03-15"},` +
			`{"company":"Other","id":"c","jobTitle":"Clerk"},{"company":"New","isCurrent":true,"jobTitle":"Boss","startDate":"2022"}]`,
		Replace: `[{"company":"ACME","endDate":"2021","id":"b","jobTitle":"Engineer","startDate":"2020-03-15"},{"company":"New","isCurrent":true,"jobTitle":"Boss","startDate":"2022"}]`,
	} {
		patch, _ := bodies(t, im, now, mode)
		got, err := json.Marshal(patch["workExperiences"])
		check0(t, err)
		if string(got) != want {
			t.Errorf("%s: %s\nwant %s", mode, got, want)
		}
	}
	if patch, _ := bodies(t, im, now, Merge, "summary"); len(patch) != 0 {
		t.Errorf("a field that was not asked for: %v", patch)
	}
}

func TestReadLinkedIn(t *testing.T) {
	file := archive(t, map[string]string{
		"Profile.csv": "First Name,Last Name,Maiden Name,Address,Birth Date,Headline,Summary,Industry,Zip Code,Geo Location,Twitter Handles,Websites,Instant Messengers\n" +
			"Ada,Lovelace,Byron,\"1 St, London\",\"Dec 10, 1815\",Engines,\"Two\nlines\",Software,W1,\"London, England, United Kingdom\",\"[ada,ada2]\",\"[PERSONAL:https://ada.example,PORTFOLIO:https://p.example,OTHER:https://o.example]\",[SKYPE:ada.l]\n",
		"Email_Addresses.csv":      "Email Address,Confirmed,Primary,Updated On\nold@example.com,Yes,No,x\nada@example.com,Yes,Yes,Not Available\n",
		"PhoneNumbers.csv":         "Extension,Number,Type\n,+44 1,Mobile\n12,+44 2,Work\n",
		"Positions.csv":            "\xef\xbb\xbfCompany Name,Title,Description,Location,Started On,Finished On\nEngines Ltd,Chief,Wrote it,London,Aug 2022,\nOld Co,Advisor,,,2009,2011\nX,Y,,,Sommer 2020,\n",
		"Education.csv":            "School Name,Start Date,End Date,Notes,Degree Name,Activities\nUniversity,2003,2009,Thesis,BSc,Chess\n",
		"Skills.csv":               "Name\nMathematics\n",
		"Languages.csv":            "Name,Proficiency\nFrench,Native or bilingual proficiency\n",
		"Certifications.csv":       "Name,Url,Authority,Started On,Finished On,License Number\nC,https://c.example,ISO,Jan 2020,,77\nNo issuer,,,,,\n",
		"Projects.csv":             "Title,Description,Url,Started On,Finished On\nP,D,,Jan 2020,Feb 2020\n",
		"Publications.csv":         "Name,Published On,Description,Publisher,Url\nN,\"Jan 5, 2020\",,Pub,\n",
		"Honors.csv":               "Title,Description,Issued On\nPrize,,Mar 2019\n",
		"Courses.csv":              "Name,Number\nAlgebra,101\n",
		"Organizations.csv":        "Name,Position,Description,Started On,Finished On\nSociety,Fellow,,Jan 2001,\n",
		"Volunteering.csv":         "Company Name,Role,Cause,Started On,Finished On,Description\nShelter,Cook,ECONOMIC_EMPOWERMENT,Jan 2010,Feb 2010,\n",
		"messages.csv":             "CONTENT\nsecret\n",
		"Jobs/Saved Jobs.csv":      "x\n",
		"Articles/":                "",
		"Rich Media/picture.txt":   "x",
		"Complete/Test_Scores.csv": "Name,Description,Score,Test Date\nGRE,,170,Jan 2011\n",
	})
	im, err := ReadLinkedIn(file)
	check0(t, err)
	patch, refused := bodies(t, im, read(t, []byte(`{}`)), Merge)
	got, err := json.MarshalIndent(map[string]any{"patch": patch, "notKept": im.NotKept, "refused": refused}, "", "  ")
	check0(t, err)
	golden(t, "linkedin.json", append(got, '\n'))
	if bytes.Contains(got, []byte("secret")) {
		t.Error("a message was read")
	}
	twice, err := ReadLinkedIn(archive(t, map[string]string{"Profile.csv": "First Name,Twitter Handles\nAda,\"[a,b]\"\nEve,\n"}))
	check0(t, err)
	if patch, _ := bodies(t, twice, read(t, []byte(`{}`)), Merge); patch["firstName"] != "Ada" || patch["twitter"] != "a" || len(twice.NotKept) != 2 {
		t.Errorf("said twice: %v, %+v", patch, twice.NotKept)
	}
	for name, bad := range map[string][]byte{"nothing": nil, "text": []byte("First Name\n"), "cut": file[:len(file)-30], "other": archive(t, map[string]string{"a.csv": "b"})} {
		var refusal *ledger.Refusal
		if _, err := ReadLinkedIn(bad); !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := archive(t, map[string]string{"Skills.csv": "Name\n" + strings.Repeat("x\n", maxRows+1)})
	var refusal *ledger.Refusal
	if _, err := ReadLinkedIn(long); !errors.As(err, &refusal) || refusal.Fields[0].Code != ledger.CodeTooMany {
		t.Errorf("too many rows: %v", err)
	}
	bomb := archive(t, map[string]string{"Skills.csv": strings.Repeat("\n", maxTable+1)})
	if _, err := ReadLinkedIn(bomb); !errors.As(err, &refusal) || refusal.Fields[0].Code != ledger.CodeTooLong {
		t.Errorf("too large a table in %d bytes: %v", len(bomb), err)
	}
}
