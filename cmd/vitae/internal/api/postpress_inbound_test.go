package api

import (
	"context"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vitae/commands"
	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/postpress"
)

// ppParsed is a form for the account.
func ppParsed(t *testing.T, parts ...string) *postpress.Form {
	t.Helper()
	c := ppForm(t, "", ppTo(parts...)...)
	_, params, err := mime.ParseMediaType(c.typ)
	if err != nil {
		t.Fatal(err)
	}
	f, err := postpress.ParseForm([]byte(c.body), params["boundary"])
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// ppEmpty is an opened profile that is connected.
func ppEmpty() *ledger.Profile {
	p := ledger.NewProfile(ledger.NewProfileID(time.Date(2026, 5, 3, 0, 0, 0, 0, time.UTC)))
	p.Seq = 1
	p.Resumes[ledger.Base] = &ledger.Resume{ID: ledger.Base, Fields: map[string]ledger.Cell{}, Collections: map[string]*ledger.Collection{}}
	p.Connections[ledger.PostPress] = ledger.Cell{Seq: 1, Value: ledger.Value(`{"account":"` + ppAccount + `","settings":{}}`)}
	return p
}

// ppIDs draws the ids of new items in a row.
func ppIDs() func() string {
	n := 0
	return func() string { n++; return "n" + strings.Repeat("i", n) }
}

// fataler is a test, or one of rapid's.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// ppAfter is the state that edits lead to.
func ppAfter(t fataler, p *ledger.Profile, e sinks.Edits) *ledger.Profile {
	t.Helper()
	newID := ppIDs()
	var parts []ledger.Command
	add := func(cmd ledger.Command, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", e.Patch, err)
		}
		parts = append(parts, cmd)
	}
	if e.Patch != nil {
		add(commands.Patch(ledger.Base, e.Patch))
	}
	for _, it := range e.Items {
		if it.Op == sinks.AddItem {
			add(commands.AddItem(ledger.Base, it.Field, newID(), it.Body))
		} else {
			add(commands.PatchItem(ledger.Base, it.Field, it.Item, it.Body))
		}
	}
	events, err := commands.All(parts...).Decide(p, ledger.Env{Now: time.Unix(1, 0), NewID: newID})
	if err != nil {
		t.Fatalf("%v", err)
	}
	out := p.Clone()
	out.Apply(p.Seq+1, ledger.Hash{1}, &ledger.Commit{Profile: p.ID, Events: events})
	return out
}

// ppTake is the state after a form that is right.
func ppTake(t *testing.T, p *ledger.Profile, parts ...string) *ledger.Profile {
	t.Helper()
	e, err := postpress.Inbound(ppParsed(t, parts...), p)
	if err != nil {
		t.Fatal(err)
	}
	return ppAfter(t, p, e)
}

// ppHolds compares scalars and items, "field" or "field/position".
func ppHolds(t *testing.T, p *ledger.Profile, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name, c := range p.Shared {
		got[name] = string(c.Value)
	}
	for _, f := range ledger.Catalogue() {
		if f.IsList() {
			view := ledger.Base
			if f.View == ledger.Shared {
				view = ledger.Shared
			}
			for i, item := range p.Items(view, f.Name) {
				got[f.Name+"/"+string(rune('0'+i))] = string(item.Value)
			}
		}
	}
	if !maps.Equal(got, want) {
		for _, name := range slices.Sorted(maps.Keys(got)) {
			t.Logf("%s = %s", name, got[name])
		}
		t.Errorf("want %v", want)
	}
}

func ppRef(content string) string { return `"sha256:` + ledger.HashOf([]byte(content)).String() + `"` }

func TestPostPressGroups(t *testing.T) {
	start := ppEmpty()
	start.Shared["postpress.pictureSettings.filter"] = ledger.Cell{Value: ledger.Value(`"PRIME"`)}
	start.Shared["postpress.pictureSettings.contrast"] = ledger.Cell{Value: ledger.Value(`2`)}
	start.Lists["websites"] = &ledger.Collection{Order: []string{"w1", "w2"}, Items: map[string]ledger.Cell{
		"w1": {Value: ledger.Value(`{"url":"https://rss.example","category":"RSS"}`)}, "w2": {Value: ledger.Value(`{"url":"https://old.example","category":"BLOG","label":"mine"}`)}}}
	old := map[string]string{"postpress.pictureSettings.filter": `"PRIME"`, "postpress.pictureSettings.contrast": "2",
		"websites/0": `{"url":"https://rss.example","category":"RSS"}`, "websites/1": `{"url":"https://old.example","category":"BLOG","label":"mine"}`}
	long := func(name string) []string {
		return []string{name + "[attachment][type]=link", name + "[attachment][title]=Talk", name + "[attachment][description]=A talk", name + "[attachment][url]=https://talk.example",
			name + "[attachment][thumbnail]=@thumb", name + "[start_date][month]=05", name + "[start_date][year]=2019", name + "[end_date][year]=2021", name + "[end_date][month]=12",
			name + "[skills]=Go", name + "[notify_network]=true", name + "[description]=What\r\nI did"}
	}
	attachment := `"attachment":{"type":"link","title":"Talk","description":"A talk","url":"https://talk.example","thumbnail":` + ppRef("thumb") + `}`
	for _, c := range []struct {
		name  string
		parts []string
		want  map[string]string // what is different; "" is gone
	}{
		{"nothing", nil, nil},
		{"texts", []string{"headline=Zoë", "summary=a\r\nb"}, map[string]string{"headline": `"Zoë"`, "summary": `"a\nb"`}},
		{"location", []string{"location[id]=1", "location[postal_code]=é0014"}, map[string]string{"postpress.location.id": `"1"`, "postalCode": `"é0014"`}},
		{"a new picture has no settings but its own", []string{"picture=@x", "picture_settings[filter]=EDGE"},
			map[string]string{"picture": ppRef("x"), "postpress.pictureSettings.filter": `"EDGE"`, "postpress.pictureSettings.contrast": ""}},
		{"settings alone", []string{"picture_settings[vignette]=-1e2"}, map[string]string{"postpress.pictureSettings.vignette": "-1e2"}},
		{"cover", []string{"cover_picture=@y", "cover_picture_settings[brightness]=0", "cover_picture_settings[saturation]=0.5", "cover_picture_settings[contrast]=1",
			"cover_picture_settings[layout][topRight][y]=2", "cover_picture_settings[layout][topRight][x]=1"},
			map[string]string{"coverPicture": ppRef("y"), "postpress.coverPictureSettings.brightness": "0", "postpress.coverPictureSettings.saturation": "0.5",
				"postpress.coverPictureSettings.contrast": "1", "postpress.coverPictureSettings.layout.topRight": `{"x":1,"y":2}`}},
		{"experience", append(long("experience"), "experience[role]=Dev", "experience[company]=ACME", "experience[employment_type]=Full", "experience[company_id]=c1",
			"experience[location]=Paris", "experience[presence]=REMOTE", "experience[seniority][level][name]=Senior", "experience[seniority][tags]=a", "experience[seniority][tags]=b",
			"experience[source_of_hire]=REFERRAL"),
			map[string]string{"workExperiences/0": `{"jobTitle":"Dev","company":"ACME","location":"Paris","startDate":"2019-05","endDate":"2021-12","description":"What\nI did",` +
				`"postpress":{"employmentType":"Full","companyId":"c1","presence":"REMOTE","seniority":{"level":{"name":"Senior"},"tags":["a","b"]},"sourceOfHire":"REFERRAL","skills":["Go"],` +
				attachment + `,"notifyNetwork":true}}`}},
		{"education", append(long("education"), "education[school]=ENS", "education[degree]=MSc", "education[grade]=A", "education[field_of_study]=Maths", "education[activities]=Chess"),
			map[string]string{"educations/0": `{"school":"ENS","degree":"MSc","field":"Maths","grade":"A","activities":"Chess","startDate":"2019-05","endDate":"2021-12","description":"What\nI did",` +
				`"postpress":{"skills":["Go"],` + attachment + `,"notifyNetwork":true}}`}},
		{"media", []string{"experience[role]=r", "experience[company]=c", "experience[attachment][type]=media", "experience[attachment][title]=t", "experience[attachment][file]=@pdf"},
			map[string]string{"workExperiences/0": `{"jobTitle":"r","company":"c","postpress":{"attachment":{"type":"media","title":"t","file":` + ppRef("pdf") + `}}}`}},
		{"skills", []string{"skills=Go", "skills=SQL", "skills=Go"}, map[string]string{"skills/0": `{"name":"Go"}`, "skills/1": `{"name":"SQL"}`}},
		{"follow", []string{"skills_follow=false"}, map[string]string{"postpress.skillsFollow": "false"}},
		{"open to work", []string{"open_to_work[job_title][name]=Dev", "open_to_work[job_title][id]=9", "open_to_work[job_title][name]=Ops", "open_to_work[job_title][id]=10",
			"open_to_work[presence]=REMOTE", "open_to_work[presence]=HYBRID", "open_to_work[location][on_site]=1", "open_to_work[location][remote]=2", "open_to_work[location][remote]=3",
			"open_to_work[start_date]=FLEXIBLE", "open_to_work[employment_type]=FULL_TIME", "open_to_work[visibility]=ALL"},
			map[string]string{"postpress.openToWork": `{"jobTitle":[{"name":"Dev","id":"9"},{"name":"Ops","id":"10"}],"presence":["REMOTE","HYBRID"],"location":{"onSite":["1"],"remote":["2","3"]},` +
				`"startDate":"FLEXIBLE","employmentType":["FULL_TIME"],"visibility":"ALL"}`}},
		{"website", []string{"custom_link[type]=WEBSITE", "custom_link[url]=https://me.example", "custom_link[display_on]=EVERYWHERE"},
			map[string]string{"website": `"https://me.example"`, "postpress.customLink.type": `"WEBSITE"`, "postpress.customLink.displayOn": `"EVERYWHERE"`}},
		{"portfolio", []string{"custom_link[type]=PORTFOLIO", "custom_link[url]=https://me.example"},
			map[string]string{"portfolio": `"https://me.example"`, "postpress.customLink.type": `"PORTFOLIO"`}},
		{"blog", []string{"custom_link[type]=BLOG", "custom_link[url]=https://new.example"},
			map[string]string{"postpress.customLink.type": `"BLOG"`, "websites/1": `{"url":"https://new.example","category":"BLOG","label":"mine"}`}},
		{"store", []string{"custom_link[type]=STORE", "custom_link[url]=https://shop.example"},
			map[string]string{"postpress.customLink.type": `"STORE"`, "websites/2": `{"url":"https://shop.example","category":"STORE"}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := maps.Clone(old)
			for name, v := range c.want {
				if want[name] = v; v == "" {
					delete(want, name)
				}
			}
			ppHolds(t, ppTake(t, start, c.parts...), want)
		})
	}
}

// TestPostPressEntryStays: what is not named stays, an end ends what was current, and the id is
// the only difference to an add.
func TestPostPressEntryStays(t *testing.T) {
	p := ppEmpty()
	item := func(v string) *ledger.Collection {
		return &ledger.Collection{Order: []string{"x1"}, Items: map[string]ledger.Cell{"x1": {Seq: 1, Value: ledger.Value(v)}}}
	}
	p.Resumes[ledger.Base].Collections["workExperiences"] = item(`{"jobTitle":"Dev","company":"ACME","isCurrent":true,"achievements":["a"],"postpress":{"companyId":"c1","notifyNetwork":true}}`)
	p.Resumes[ledger.Base].Collections["educations"] = item(`{"school":"ENS","degree":"MSc"}`)
	got := ppTake(t, p, "experience[id]=x1", "experience[role]=CTO", "experience[end_date][month]=1", "experience[end_date][year]=2024", "experience[presence]=HYBRID",
		"education[id]=x1", "education[start_date][month]=9", "education[start_date][year]=2001")
	ppHolds(t, got, map[string]string{
		"workExperiences/0": `{"jobTitle":"CTO","company":"ACME","endDate":"2024-01","isCurrent":false,"achievements":["a"],"postpress":{"companyId":"c1","presence":"HYBRID","notifyNetwork":true}}`,
		"educations/0":      `{"school":"ENS","degree":"MSc","startDate":"2001-09"}`})
	ppHolds(t, ppTake(t, p, "experience[id]=x1"), map[string]string{
		"workExperiences/0": string(p.Items(ledger.Base, "workExperiences")[0].Value), "educations/0": `{"school":"ENS","degree":"MSc"}`})
}

// TestPostPressSkillsAreReplacedByName: the list is the new one, and an item that stays keeps its id
// and what Mokaru knows of it.
func TestPostPressSkillsAreReplacedByName(t *testing.T) {
	p := ppEmpty()
	p.Resumes[ledger.Base].Collections["skills"] = &ledger.Collection{Order: []string{"s1", "s2", "s3"}, Items: map[string]ledger.Cell{
		"s1": {Value: ledger.Value(`{"name":"Go","level":"expert"}`)}, "s2": {Value: ledger.Value(`{"name":"C","category":"old"}`)}, "s3": {Value: ledger.Value(`{"name":"Zoe\u0308"}`)}}}
	got := ppTake(t, p, "skills=SQL", "skills=Zoë", "skills=Go")
	var all []string
	for _, item := range got.Items(ledger.Base, "skills") {
		all = append(all, item.ID+string(item.Value))
	}
	if len(all) != 3 || !strings.HasSuffix(all[0], `{"name":"SQL"}`) || !strings.HasPrefix(all[1], "s3") || all[2] != `s1{"name":"Go","level":"expert"}` {
		t.Errorf("%q", all)
	}
}

// ppSaid are the parts of a body of our own: [[name, text], [name, {"file": reference}], ...].
func ppSaid(t fataler, body []byte) (parts []string) {
	n, err := ledger.ParseJSON(body)
	if body != nil && err != nil {
		t.Fatalf("%v", err)
	}
	for _, e := range n.Elems {
		v, file := e.Elems[1].Member("file")
		if !file {
			v = e.Elems[1]
		}
		parts = append(parts, e.Elems[0].Text+"="+v.Text)
	}
	return parts
}

// TestPostPressInThenOut: what a form says is what PostPress is sent for it, but for the order of
// the names, and notify_network, which depends on what was sent before.
func TestPostPressInThenOut(t *testing.T) {
	provider, err := postpress.New("http://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	text := rapid.SampledFrom([]string{"a", "Zoë", `"quoted"`, "line\nbreak", "日本", "--B", "1.5", "true"})
	number := rapid.SampledFrom([]string{"0", "1.25", "-3", "1e2"})
	rapid.Check(t, func(t *rapid.T) {
		want := map[string][]string{} // by lane
		form := &postpress.Form{Parts: []postpress.Part{{Name: "type", Text: "LINKEDIN"}, {Name: "account_id", Text: ppAccount}}}
		lane := ""
		some := func(what string) bool { return rapid.Bool().Draw(t, what) }
		put := func(name, value string) {
			form.Parts = append(form.Parts, postpress.Part{Name: name, Text: value})
			want[lane] = append(want[lane], name+"="+value)
		}
		file := func(name string) {
			content := []byte(text.Draw(t, name))
			p := postpress.Part{Name: name, File: true, Content: content, Hash: ledger.HashOf(content)}
			form.Parts = append(form.Parts, p)
			want[lane] = append(want[lane], name+"="+p.Reference())
		}
		maybe := func(values *rapid.Generator[string], names ...string) {
			for _, name := range names {
				if some(name) {
					put(name, values.Draw(t, name))
				}
			}
		}
		many := func(name string, values *rapid.Generator[string]) {
			for _, v := range rapid.SliceOfNDistinct(values, 1, 3, rapid.ID).Draw(t, name) {
				put(name, v)
			}
		}
		lane = "profile"
		maybe(text, "headline", "summary")
		if some("location") {
			put("location[id]", "105015875")
			maybe(rapid.SampledFrom([]string{"75014", "éé014"}), "location[postal_code]")
		}
		if some("skills") {
			many("skills", text)
		}
		maybe(rapid.SampledFrom([]string{"true", "false"}), "skills_follow")
		if some("open") {
			for range rapid.IntRange(1, 3).Draw(t, "titles") {
				put("open_to_work[job_title][name]", text.Draw(t, "name"))
				put("open_to_work[job_title][id]", text.Draw(t, "id"))
			}
			many("open_to_work[presence]", rapid.SampledFrom([]string{"ON_SITE", "REMOTE"}))
			many("open_to_work[location][remote]", text)
			maybe(rapid.SampledFrom([]string{"FLEXIBLE"}), "open_to_work[start_date]")
		}
		if some("link") {
			put("custom_link[type]", rapid.SampledFrom([]string{"STORE", "WEBSITE", "PORTFOLIO", "BLOG", "NEWSLETTER"}).Draw(t, "type"))
			put("custom_link[url]", "https://x.example/a")
			maybe(rapid.SampledFrom([]string{"PROFILE_ONLY", "EVERYWHERE"}), "custom_link[display_on]")
		}
		for _, name := range []string{"picture", "cover_picture"} {
			if lane = name; !some(name) {
				continue
			}
			file(name)
			maybe(rapid.SampledFrom([]string{"STUDIO", "EDGE"}), name+"_settings[filter]")
			if some("corner") {
				put(name+"_settings[layout][topLeft][x]", number.Draw(t, "x"))
				put(name+"_settings[layout][topLeft][y]", number.Draw(t, "y"))
			}
			maybe(number, name+"_settings[contrast]", name+"_settings[brightness]")
		}
		for i, name := range []string{"experience", "education"} {
			if lane = name; !some(name) {
				continue
			}
			in := func(s string) string { return name + "[" + s + "]" }
			if i == 0 {
				put(in("role"), text.Draw(t, "role"))
				put(in("company"), text.Draw(t, "company"))
				maybe(text, in("employment_type"), in("company_id"), in("location"), in("seniority")+"[level]")
				maybe(rapid.SampledFrom([]string{"REFERRAL", "OTHER"}), in("source_of_hire"))
			} else {
				put(in("school"), text.Draw(t, "school"))
				maybe(text, in("degree"), in("grade"), in("field_of_study"), in("activities"))
			}
			maybe(text, in("description"))
			for _, date := range []string{"start_date", "end_date"} {
				if date == "start_date" || some(date) {
					put(in(date)+"[month]", fmt.Sprint(rapid.IntRange(1, 12).Draw(t, "month")))
					put(in(date)+"[year]", fmt.Sprint(rapid.IntRange(1900, 2100).Draw(t, "year")))
				}
			}
			if some("skills of " + name) {
				many(in("skills"), text)
			}
			if some("attachment of " + name) {
				put(in("attachment")+"[type]", "link")
				put(in("attachment")+"[title]", text.Draw(t, "title"))
				put(in("attachment")+"[url]", text.Draw(t, "url"))
				file(in("attachment") + "[thumbnail]")
			}
		}
		e, err := postpress.Inbound(form, ppEmpty())
		if err != nil {
			t.Fatal(err)
		}
		p := ppAfter(t, ppEmpty(), e)
		for _, name := range []string{"profile", "picture", "cover_picture", "experience", "education"} {
			entity := name
			if field := map[string]string{"experience": "workExperiences", "education": "educations"}[name]; field != "" {
				all := p.Items(ledger.Base, field)
				if len(all) == 0 {
					if want[name] != nil {
						t.Fatalf("%s is not there", name)
					}
					continue
				}
				entity = sinks.ItemEntity(name, all[0].ID)
			}
			payload, err := provider.Build(entity, p, sinks.Have{})
			if err != nil {
				t.Fatal(err)
			}
			// Names may change places, the values of one name may not.
			if got := ppByName(ppSaid(t, payload.Body)); fmt.Sprint(got) != fmt.Sprint(ppByName(want[name])) {
				t.Fatalf("%s: %q, want %q", name, got, want[name])
			}
		}
	})
}

// ppByName puts the values of one name together, in their order.
func ppByName(parts []string) map[string][]string {
	out := map[string][]string{}
	for _, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		out[name] = append(out[name], value)
	}
	return out
}

// TestPostPressFromOurselves: what Vitae sends to PostPress it takes as PostPress, and what
// it lists then is what was sent.
func TestPostPressFromOurselves(t *testing.T) {
	w, id, key := ppWorld(t, Config{})
	srv := httptest.NewServer(w.srv.Handler())
	defer srv.Close()
	provider, err := postpress.New(srv.URL, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	from := ppTake(t, ppEmpty(), "headline=Zoë", "summary=a\nb", "location[id]=1", "location[postal_code]=75014", "skills=Go", "skills=SQL", "picture=@p", "picture_settings[filter]=EDGE",
		"experience[role]=Dev", "experience[company]=ACME", "experience[start_date][month]=5", "experience[start_date][year]=2019", "experience[description]=d", "experience[location]=Paris",
		"education[school]=ENS", "education[degree]=MSc", "education[start_date][month]=9", "education[start_date][year]=2001",
		"open_to_work[job_title][name]=Dev", "open_to_work[job_title][id]=9", "open_to_work[presence]=REMOTE", "open_to_work[location][remote]=2")
	call := sinks.Call{Account: ppAccount, Credential: []byte(key), File: func(context.Context, string) (sinks.File, error) {
		return sinks.File{ReadCloser: io.NopCloser(strings.NewReader("p")), Size: 1, MediaType: "image/png"}, nil
	}}
	refs := map[string]string{}
	for range 2 { // once to add, once to edit
		for _, name := range []string{postpress.Profile, postpress.Picture, "experience", "education"} {
			c := call
			c.Entity, c.Verb = name, sinks.VerbSet
			if field := map[string]string{"experience": "workExperiences", "education": "educations"}[name]; field != "" {
				c.Entity, c.Verb, c.Ref = sinks.ItemEntity(name, from.Items(ledger.Base, field)[0].ID), sinks.VerbCreate, refs[name]
				if c.Ref != "" {
					c.Verb = sinks.VerbUpdate
				}
			}
			payload, err := provider.Build(c.Entity, from, sinks.Have{})
			if err != nil {
				t.Fatal(err)
			}
			c.Body = payload.Body
			if out := provider.Call(t.Context(), c); out.Verdict != sinks.Applied {
				t.Fatalf("%s: %+v", name, out)
			}
			if c.Verb == sinks.VerbSet {
				continue
			}
			list, out := provider.List(t.Context(), c)
			if out.Verdict != sinks.Applied || len(list) != 1 || string(list[0].Echo) != string(payload.Echo) {
				t.Fatalf("%s: %+v %s, want %s", name, out, list, payload.Echo)
			}
			refs[name] = list[0].Ref
		}
	}
	doc := w.document(id)
	if doc["headline"] != "Zoë" || doc["summary"] != "a\nb" || doc["postalCode"] != "75014" || len(doc["workExperiences"].([]any)) != 1 || len(doc["skills"].([]any)) != 2 {
		t.Errorf("%v", doc)
	}
}
