package ledger

import (
	"bufio"
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEverySeedFieldHasARow reads the names that each provider documents for its request
// (transcribed into testdata) and wants each to be carried by a row of the catalogue, or
// to be listed as no field.
func TestEverySeedFieldHasARow(t *testing.T) {
	leaves := Leaves()
	for _, provider := range Providers() {
		t.Run(provider, func(t *testing.T) {
			exact, open := map[string]bool{}, []string{}
			for i, l := range leaves {
				holds := i+1 < len(leaves) && strings.HasPrefix(leaves[i+1].Path, l.Path) // its members follow
				for _, h := range l.Homes {
					if h.Provider != provider || h.How == NotCarried {
						continue
					}
					exact[h.As] = true
					if !holds {
						open = append(open, h.As) // a value with parts of its own: a date, a text by locale
					}
				}
			}
			for _, n := range NotFields() {
				if n.Provider == provider {
					exact[n.As] = true
				}
			}
			names := lines(t, filepath.Join("testdata", "seed_fields", provider+".txt"))
			if len(names) < 15 {
				t.Fatalf("only %d names", len(names))
			}
			for _, name := range names {
				if exact[name] || slices.ContainsFunc(open, func(as string) bool {
					return strings.HasPrefix(name, as+"[") || strings.HasPrefix(name, as+".") || strings.HasPrefix(as, name+".")
				}) {
					continue
				}
				t.Errorf("%s has no row", name)
			}
		})
	}
}

func lines(t *testing.T, path string) (out []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if l := s.Text(); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

func TestCatalogueIsSound(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Catalogue() {
		if seen[f.Name] {
			t.Errorf("%s occurs twice", f.Name)
		}
		seen[f.Name] = true
		if f.View != Shared && f.View != ResumeView {
			t.Errorf("%s: view %q", f.Name, f.View)
		}
		if f.Provider != "" && (!strings.HasPrefix(f.Name, f.Provider+".") || f.View != Shared) {
			t.Errorf("%s is not named or placed as a field of %s", f.Name, f.Provider)
		}
		if f.IsList() && (f.Clearable || f.Localized || f.Max == 0 || len(f.Item) == 0 || (len(f.NaturalKey) == 0 && !f.Append)) {
			t.Errorf("collection %s: %+v", f.Name, f)
		}
		for _, key := range f.NaturalKey {
			if !slices.ContainsFunc(f.Item, func(m Member) bool { return m.Name == key }) {
				t.Errorf("%s: its items have no %s to be known by", f.Name, key)
			}
		}
		for _, p := range Providers() {
			homes := f.HomesAt(p)
			if len(homes) == 0 {
				t.Errorf("%s says nothing of %s", f.Name, p)
			}
			for _, h := range homes {
				switch {
				case h.How == NotCarried && (h.As != "" || h.Why == "" || h.Clear != ""),
					h.How == Lossy && (h.As == "" || h.Why == ""),
					h.How == Sent && h.As == "":
					t.Errorf("%s at %s: %+v", f.Name, p, h)
				}
			}
		}
		if f.Name == customPrefix {
			continue
		}
		if got, locale, ok := Lookup(f.Name); !ok || got.Name != f.Name || locale != "" {
			t.Errorf("Lookup(%s) = %s, %q, %v", f.Name, got.Name, locale, ok)
		}
		_, locale, ok := Lookup(f.Name + "@fr_FR")
		if ok != f.Localized || ok && locale != "fr_FR" {
			t.Errorf("Lookup(%s@fr_FR): %q, %v", f.Name, locale, ok)
		}
	}
	for _, l := range Leaves() {
		if l.Kind == KindObject || l.Kind == KindObjects || l.Kind == KindMap || l.Kind == KindList {
			if !slices.ContainsFunc(Leaves(), func(o Leaf) bool { return strings.HasPrefix(o.Path, into(l.Path, l.Kind)+".") }) {
				t.Errorf("%s holds nothing", l.Path)
			}
		}
	}
}

// TestMokaruLimits holds the catalogue to Mokaru's Update Profile page, to the letter.
func TestMokaruLimits(t *testing.T) {
	limits := map[string]int{"firstName": 100, "lastName": 100, "email": 254, "phone": 50, "address": 200, "country": 100, "province": 100,
		"driverLicense": 50, "gender": 50, "jobTitle": 200, "summary": 2000, "sector": 100, "employer": 200, "website": 500, "portfolio": 500,
		"birthDate": 0, "linkedIn": 0,
		"summaries": 100, "projects": 100, "certificates": 100, "awards": 100, "publications": 100, "interests": 100, "jobTitles": 50}
	fixed := []string{"firstName", "lastName", "email"}
	nulls := 0
	for name, limit := range limits {
		f, _, ok := Lookup(name)
		if !ok || f.Max != limit || f.HomesAt(Mokaru)[0].Max != limit {
			t.Errorf("%s: %d and %d at Mokaru, want %d", name, f.Max, f.HomesAt(Mokaru)[0].Max, limit)
		}
		want := ClearNull
		switch {
		case f.IsList():
			want = ClearList
		case slices.Contains(fixed, name):
			want = ClearNever
		default:
			nulls++
		}
		if got := f.HomesAt(Mokaru)[0]; got.Clear != want || got.As != name || got.How != Sent {
			t.Errorf("%s at Mokaru: %+v", name, got)
		}
	}
	if nulls != 14 {
		t.Errorf("%d scalars clear with null, want 14", nulls)
	}
	for _, f := range Catalogue() {
		scalar := f.View == Shared && !f.IsList()
		if want := scalar && !slices.Contains(fixed, f.Name); f.Clearable != want {
			t.Errorf("%s: clearable %v", f.Name, f.Clearable)
		}
		if f.IsList() && f.Max != 100 && f.Name != "jobTitles" && !f.Append {
			t.Errorf("%s takes %d items", f.Name, f.Max)
		}
	}
	members := map[string]string{
		"summaries": "title content*", "projects": "name* description* organisation startDate endDate isCurrent url",
		"certificates": "name* issuer* description issueDate expiryDate credentialId verificationUrl",
		"awards":       "name* organisation description date", "publications": "name* publisher date url description",
		"interests": "name* description", "jobTitles": "title*",
		"workExperiences": "jobTitle* company* location startDate endDate isCurrent description responsibilities achievements",
		"educations":      "school* degree field startDate endDate isCurrent description", "skills": "name* category level",
		"languages": "name* proficiency", "courses": "name* number",
		"patents":       "title* issuer* number pending issueDate filingDate inventors url description",
		"organizations": "name* position startDate endDate description", "testScores": "name* score date description",
		"volunteering": "organisation* role* cause startDate endDate description", "phones": "number* type", "websites": "url* category label"}
	for name, want := range members {
		f, _, _ := Lookup(name)
		got := map[string]bool{}
		for _, m := range f.Item {
			got[m.Name] = m.Required
		}
		for _, m := range strings.Fields(want) {
			plain := strings.TrimSuffix(m, "*")
			if required, ok := got[plain]; !ok || required != (plain != m) {
				t.Errorf("%s.%s: there %v, required %v", name, plain, ok, required)
			}
			delete(got, plain)
		}
		delete(got, LinkedIn)
		delete(got, PostPress)
		if name == "educations" { // both LinkedIn and PostPress have these
			delete(got, "grade")
			delete(got, "activities")
		}
		if len(got) > 0 {
			t.Errorf("%s has more members: %v", name, slices.Sorted(maps.Keys(got)))
		}
		delete(members, name)
	}
	native := 0
	for _, f := range Catalogue() {
		if f.IsList() && f.Provider == "" {
			native++
		}
	}
	if native != 18 {
		t.Errorf("%d native collections, want 18", native)
	}
}

func TestLookup(t *testing.T) {
	for _, name := range []string{"", "@", "firstname", "firstName@", "firstName@xx-XX", "firstName@FR_fr", "email@fr_FR", "linkedin", "jarvi.custom.",
		"jarvi.custom.nope", "jarvi.custom.713A8005-e54d-4ee3-b6a4-89b27167dde6", "projects@fr_FR", "nexudus.oldPassword", "firstName@fr_FR@de_DE"} {
		if f, _, ok := Lookup(name); ok {
			t.Errorf("%q is %s", name, f.Name)
		}
	}
	for _, locale := range []string{"fr", "fr_FR", "en_US_WIN", "zh_CN"} {
		f, got, ok := Lookup("lastName@" + locale)
		if !ok || got != locale || f.Name != "lastName" || !f.Clearable {
			t.Errorf("lastName@%s: %q, %v, clearable %v", locale, got, ok, f.Clearable)
		}
	}
	if f, _, _ := Lookup("lastName"); f.Clearable {
		t.Error("lastName became clearable")
	}
	const custom = "jarvi.custom.713a8005-e54d-4ee3-b6a4-89b27167dde6"
	if f, _, ok := Lookup(custom); !ok || f.Name != custom || f.Provider != Jarvi || len(f.HomesAt(Jarvi)) != 1 {
		t.Errorf("custom field: %+v, %v", f, ok)
	}
	for name, want := range map[string]bool{"linkedin": true, "postpress.location": true, "jarvi.custom": true, "postpress.pictureSettings.layout": true,
		"linkedIn": false, "postpress.location.id": false, "firstName": false, "": false} {
		if IsGroup(name) != want {
			t.Errorf("IsGroup(%q) = %v", name, !want)
		}
	}
}

func TestFieldsDocument(t *testing.T) {
	golden(t, filepath.Join("..", "docs", "fields.md"), FieldsMarkdown())
}
