package postpress

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vitae/ledger"
	"vitae/sinks"
)

var update = flag.Bool("update", false, "rewrite golden files")

// full is a profile with something in every field that PostPress has.
func full(t testing.TB) *ledger.Profile {
	t.Helper()
	p := state()
	file := `"sha256:` + strings.Repeat("0a", 32) + `"`
	for name, value := range map[string]string{
		"headline": `"Building \"postpress\""`, "headline@fr_FR": `"En français"`, "summary": `"Founder.\nAuthor."`,
		"postpress.location.id": `"105015875"`, "postalCode": `"75001"`, "postpress.skillsFollow": `false`,
		"postpress.openToWork": `{"jobTitle":[{"name":"Dev","id":"9"},{"id":"25","name":"Lead"}],"presence":["ON_SITE","REMOTE"],
			"location":{"remote":["103644278"],"onSite":["1","2"]},"startDate":"FLEXIBLE","employmentType":["FULL_TIME","CONTRACT"],"visibility":"RECRUITERS_ONLY"}`,
		"website": `"https://jane.example"`, "portfolio": `"https://work.example"`,
		"postpress.customLink.type": `"WEBSITE"`, "postpress.customLink.displayOn": `"EVERYWHERE"`,
		"picture": file, "coverPicture": file,
	} {
		set(t, p, name, value)
	}
	for _, of := range []string{"pictureSettings", "coverPictureSettings"} {
		set(t, p, "postpress."+of+".filter", `"STUDIO"`)
		for _, corner := range []string{"bottomLeft", "bottomRight", "topLeft", "topRight"} {
			set(t, p, "postpress."+of+".layout."+corner, `{"x":1.25,"y":-0.5}`)
		}
		for _, name := range []string{"contrast", "vignette", "saturation", "brightness"} {
			set(t, p, "postpress."+of+"."+name, `0`)
		}
	}
	add(t, p, "skills", "a", `{"name":"Go","level":"expert"}`)
	add(t, p, "skills", "b", `{"name":"Écriture"}`)
	add(t, p, "websites", "a", `{"url":"https://blog.example","category":"BLOG"}`)
	add(t, p, "workExperiences", "link", `{"jobTitle":"Founder","jobTitle@fr_FR":"Fondatrice","company":"postpress","location":"Lyon","startDate":"2019-05-17","endDate":"2020-11",
		"description":"Wrote it.","responsibilities":["all"],"postpress":{"employmentType":"FULL_TIME","companyId":"1337","presence":"REMOTE","seniority":{"level":4,"names":["a"],"none":null,"ok":true},
		"sourceOfHire":"REFERRAL","skills":["development","management"],"notifyNetwork":true,
		"attachment":{"type":"link","title":"Site","description":"d","url":"https://postpress.example","thumbnail":`+file+`}}}`)
	add(t, p, "workExperiences", "now", `{"jobTitle":"Owner","company":"postpress","startDate":"2020-12","endDate":"2021-01","isCurrent":true}`)
	add(t, p, "educations", "media", `{"school":"ETH","degree":"MSc","field":"Physics","grade":"6.0","activities":"Chess","startDate":"2010-09","endDate":"2014-07","description":"Honors",
		"postpress":{"skills":["Maths"],"attachment":{"type":"media","title":"Thesis","file":`+file+`}}}`)
	add(t, p, "workExperiences", "media", `{"jobTitle":"Clerk","company":"Acme","startDate":"2018-01","postpress":{"attachment":{"type":"media","title":"Plan","file":`+file+`}}}`)
	add(t, p, "educations", "link", `{"school":"ENS","startDate":"2008-01","postpress":{"attachment":{"type":"link","title":"Site","description":"d","url":"https://ens.example","thumbnail":`+file+`}}}`)
	return p
}

// TestGolden: the whole requests, with line ends as ↵.
func TestGolden(t *testing.T) {
	for _, test := range []struct {
		file, entity string
		have         sinks.Have
	}{
		{"profile", Profile, sinks.Have{}}, {"picture", Picture, sinks.Have{}}, {"cover_picture", CoverPicture, sinks.Have{}},
		{"experience_add", "experience/link", sinks.Have{}}, {"experience_add_again", "experience/link", sinks.Have{Fields: []string{"role"}}},
		{"experience_edit", "experience/link", sinks.Have{Ref: "77"}}, {"experience_current", "experience/now", sinks.Have{}},
		{"education_add", "education/media", sinks.Have{}}, {"education_edit", "education/media", sinks.Have{Ref: "88"}},
	} {
		t.Run(test.file, func(t *testing.T) {
			payload := made(t, test.entity, full(t), test.have)
			c := call(test.entity, sinks.VerbSet, payload.Body)
			if _, item := sinks.SplitEntity(test.entity); item != "" {
				if c.Verb = sinks.VerbCreate; test.have.Ref != "" {
					c.Verb, c.Ref = sinks.VerbUpdate, test.have.Ref
				}
			}
			if len(payload.Steps) > 0 {
				c.Step = payload.Steps[0]
			}
			w := always(200, profileEdited)
			if out := client(t, w).Call(context.Background(), c); out.Verdict != sinks.Applied {
				t.Fatalf("%+v", out)
			}
			r := w.sent[0]
			if r.ContentLength != int64(len(w.bodies[0])) {
				t.Errorf("%d bytes, and %d are said", len(w.bodies[0]), r.ContentLength)
			}
			var out strings.Builder
			fmt.Fprintf(&out, "%s %s\n", r.Method, r.URL)
			for _, name := range []string{"X-Api-Key", "Content-Type", "Idempotency-Key", "X-Vitae-Attempt", "X-Vitae-Step"} {
				fmt.Fprintf(&out, "%s: %s\n", name, r.Header.Get(name))
			}
			out.WriteString("\n" + strings.NewReplacer(string(picture), "(the picture)", "\r\n", "↵\n").Replace(w.bodies[0]))
			path := filepath.Join("testdata", test.file+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil || out.String() != string(want) {
				t.Errorf("%v: got\n%s", err, out.String())
			}
		})
	}
}

// TestEveryHomeIsCarried: what the catalogue says PostPress has is in a form under the
// name that it says, and an event about it concerns the lane.
func TestEveryHomeIsCarried(t *testing.T) {
	p := full(t)
	var names []string
	for _, entity := range []string{Profile, Picture, CoverPicture, "experience/link", "experience/media", "education/media", "education/link"} {
		_, parts := writing(t, entity, p, sinks.Have{})
		for _, part := range parts {
			name, _, _ := strings.Cut(part, "=")
			names = append(names, name)
		}
	}
	count := 0
	check := func(what string, homes []ledger.Home) (as string) {
		for _, h := range homes {
			if h.Provider != ledger.PostPress || h.How == ledger.NotCarried {
				continue
			}
			count++
			as = h.As
			if !slices.ContainsFunc(names, func(s string) bool { return s == h.As || strings.HasPrefix(s, h.As+"[") }) && h.As != "location[postal_code]" {
				t.Errorf("%s is not at %s in %q", what, h.As, names)
			}
		}
		return as
	}
	for _, f := range ledger.Catalogue() {
		as := check(f.Name, f.Homes)
		var walk func(path string, members []ledger.Member)
		walk = func(path string, members []ledger.Member) {
			for _, m := range members {
				if m.Name != "isCurrent" {
					check(path+"."+m.Name, m.Homes)
				}
				walk(path+"."+m.Name, m.Members)
			}
		}
		walk(f.Name, f.Item)
		e := &ledger.Event{View: f.View, Field: f.Name, Op: ledger.OpSet}
		s, isSection := sectionFrom(f.Name)
		if isSection {
			e.Op, e.Item = ledger.OpPut, "one"
		}
		lanes, all := concerns(e)
		want := []string{}
		switch root, _, _ := strings.Cut(as, "["); {
		case isSection:
			want = []string{s.name + "/one"}
		case as == "":
		case pictures[strings.TrimSuffix(root, "_settings")].field != "":
			want = []string{strings.TrimSuffix(root, "_settings")}
		default:
			want = []string{Profile}
		}
		if all || !slices.Equal(lanes, want) {
			t.Errorf("%s concerns %v, not %v", f.Name, lanes, want)
		}
	}
	if count < 60 {
		t.Errorf("only %d homes were looked at", count)
	}
	for _, e := range []ledger.Event{{Op: ledger.OpCreated}, {Field: ledger.Connections, Item: ledger.PostPress, Op: ledger.OpBound}} {
		if _, all := concerns(&e); !all {
			t.Errorf("%+v does not concern all", e)
		}
	}
	if lanes, all := concerns(&ledger.Event{Field: ledger.Connections, Item: ledger.Mokaru}); all || lanes != nil {
		t.Error("another connection concerns this one")
	}
}
