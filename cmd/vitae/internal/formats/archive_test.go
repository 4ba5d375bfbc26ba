package formats

import (
	"archive/zip"
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"

	"vitae/commands"
	"vitae/ledger"
)

// archive packs files.
func archive(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		check0(t, err)
		_, err = w.Write([]byte(files[name]))
		check0(t, err)
	}
	check0(t, z.Close())
	return b.Bytes()
}

// FuzzReadJSONResume: whatever comes is refused, or comes to patches that can be taken.
func FuzzReadJSONResume(f *testing.F) {
	f.Add([]byte(`{"basics":{"name":"A B","location":{"countryCode":"FR"},"profiles":[{"network":"X","username":"a"}]},"work":[{"name":"A","position":"B","startDate":"2020","highlights":["x"]}]}`))
	f.Add([]byte(`{"skills":[{"name":"Go","level":"Expert"}],"languages":[{"language":1}],"work":null}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		now := jane(t)
		im, err := ReadJSONResume(file, now)
		taken(t, im, err, now)
	})
}

// FuzzReadTables: the same for the rows of LinkedIn's tables.
func FuzzReadTables(f *testing.F) {
	f.Add("Positions.csv", "Company Name,Title,Started On\nA,B,Jan 2020\n")
	f.Add("Profile.csv", "First Name,Websites,Geo Location,Birth Date\nA,\"[PERSONAL:x,]\",\",,\",\"Jan 5, 1990\"\n")
	f.Add("PhoneNumbers.csv", "Number,Type\n\"1\n")
	f.Fuzz(func(t *testing.T, name, content string) {
		now := jane(t)
		im, err := ReadLinkedIn(archive(t, map[string]string{name: content, "Skills.csv": "Name\n"}))
		taken(t, im, err, now)
	})
}

// FuzzReadLinkedIn: the same for the archive itself.
func FuzzReadLinkedIn(f *testing.F) {
	f.Add(archive(f, map[string]string{"Skills.csv": "Name\nGo\n"}))
	f.Fuzz(func(t *testing.T, file []byte) {
		now := jane(t)
		im, err := ReadLinkedIn(file)
		taken(t, im, err, now)
	})
}

func taken(t *testing.T, im *Import, err error, now *Resume) {
	t.Helper()
	var refusal *ledger.Refusal
	if err != nil {
		if !errors.As(err, &refusal) {
			t.Error(err)
		}
		return
	}
	for _, mode := range []Mode{Merge, Replace} {
		shared, own, _, err := im.Bodies(now, mode, nil)
		check0(t, err)
		for _, b := range [][]byte{shared, own} {
			if b == nil {
				continue
			}
			if why := whole(b); why != "" {
				t.Errorf("%s: %s", b, why)
			}
		}
	}
}

// whole says why a patch cannot be taken; a list with too many items is for the command to
// refuse, because only it knows what the list is.
func whole(b []byte) string {
	_, err := commands.Patch(ledger.Base, b)
	var refusal *ledger.Refusal
	if !errors.As(err, &refusal) {
		return ""
	}
	for _, f := range refusal.Fields {
		if f.Code != ledger.CodeTooMany && f.Code != ledger.CodeDuplicate {
			return refusal.Error()
		}
	}
	return ""
}
