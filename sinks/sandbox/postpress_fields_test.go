package sandbox

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// postpressWork is a whole open_to_work.
var postpressWork = []string{"open_to_work[job_title][name]=CTO", "open_to_work[job_title][id]=1", "open_to_work[presence]=REMOTE", "open_to_work[location][on_site]=2"}

func TestPostPressKeepsEveryField(t *testing.T) {
	p := startPostPress(t, Options{})
	p.ok(p.edit("headline=h", "summary=", "location[id]=105015875", "location[postal_code]=é1234",
		"picture=@face", "picture_settings[filter]=STUDIO", "picture_settings[layout][bottomLeft][x]=1.25", "picture_settings[layout][bottomLeft][y]=-2", "picture_settings[contrast]=0",
		"cover_picture=@sea", "cover_picture_settings[vignette]=0.5", "cover_picture_settings[saturation]=1", "cover_picture_settings[brightness]=1",
		"skills=a", "skills=b", "skills=a", "skills_follow=true",
		"open_to_work[job_title][name]=CTO", "open_to_work[job_title][id]=1", "open_to_work[job_title][name]=CEO", "open_to_work[job_title][id]=2",
		"open_to_work[presence]=REMOTE", "open_to_work[presence]=HYBRID", "open_to_work[location][on_site]=2", "open_to_work[location][remote]=3",
		"open_to_work[start_date]=FLEXIBLE", "open_to_work[employment_type]=INTERNSHIP", "open_to_work[visibility]=ALL",
		"custom_link[type]=BLOG", "custom_link[url]=https://example.com", "custom_link[display_on]=EVERYWHERE"))
	file := func(text string) string {
		return fmt.Sprintf(`{"sha256":"%x","size":%d}`, sha256.Sum256([]byte(text)), len(text))
	}
	want := `{"headline":"h","summary":"","location":{"id":"105015875","postal_code":"é1234"},
		"picture":` + file("face") + `,"picture_settings":{"filter":"STUDIO","layout":{"bottomLeft":{"x":1.25,"y":-2}},"contrast":0},
		"cover_picture":` + file("sea") + `,"cover_picture_settings":{"vignette":0.5,"saturation":1,"brightness":1},
		"skills":["a","b","a"],"skills_follow":true,
		"open_to_work":{"job_title":[{"name":"CTO","id":"1"},{"name":"CEO","id":"2"}],"presence":["REMOTE","HYBRID"],
			"location":{"on_site":["2"],"remote":["3"]},"start_date":"FLEXIBLE","employment_type":["INTERNSHIP"],"visibility":"ALL"},
		"custom_link":{"type":"BLOG","url":"https://example.com","display_on":"EVERYWHERE"}}`
	if got := p.profile(); linkedinCompact(t, got) != linkedinCompact(t, want) {
		t.Errorf("%s", got)
	}
	// What is sent again replaces the whole; what is absent stays.
	p.ok(p.edit("location[id]=2", "skills=c", "custom_link[type]=STORE", "custom_link[url]=http://example.com/x"))
	p.ok(p.edit(postpressWork...))
	got := p.kept().Profile["account:acc_1"].(map[string]any)
	if !reflect.DeepEqual(got["location"], map[string]any{"id": "2"}) || !reflect.DeepEqual(got["skills"], []any{"c"}) || got["headline"] != "h" ||
		len(got["custom_link"].(map[string]any)) != 2 || len(got["open_to_work"].(map[string]any)) != 3 {
		t.Errorf("%v", got)
	}
}

func TestPostPressItems(t *testing.T) {
	p := startPostPress(t, Options{})
	p.ok(p.edit(plus(postpressJob, "experience[employment_type]=Full-time", "experience[company_id]=7", "experience[location]=Bern", "experience[presence]=HYBRID",
		"experience[seniority][id]=4", "experience[end_date][month]=12", "experience[end_date][year]=2024", "experience[description]=d", "experience[source_of_hire]=REFERRAL",
		"experience[skills]=s", "experience[attachment][type]=link", "experience[attachment][title]=t", "experience[attachment][url]=https://example.com/a",
		"experience[attachment][description]=", "experience[attachment][thumbnail]=@thumb", "experience[notify_network]=true",
		"education[school]=ETH", "education[degree]=BSc", "education[grade]=5", "education[field_of_study]=Math", "education[activities]=chess", "education[description]=e",
		"education[start_date][month]=1", "education[start_date][year]=2001", "education[end_date][month]=2", "education[end_date][year]=2005", "education[skills]=u",
		"education[attachment][type]=media", "education[attachment][title]=m", "education[attachment][file]=@scan", "education[notify_network]=true")...))
	sum := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	job := `{"id":"1001","role":"Founder","company":"postpress","employment_type":"Full-time","company_id":"7","location":"Bern","presence":"HYBRID",
		"seniority":{"id":"4"},"start_date":{"month":3,"year":2020},"end_date":{"month":12,"year":2024},"description":"d","source_of_hire":"REFERRAL","skills":["s"],
		"attachment":{"type":"link","title":"t","url":"https://example.com/a","description":"","thumbnail":{"sha256":"` + sum("thumb") + `","size":5}}}`
	school := `{"id":"1002","school":"ETH","degree":"BSc","grade":"5","field_of_study":"Math","activities":"chess","description":"e",
		"start_date":{"month":1,"year":2001},"end_date":{"month":2,"year":2005},"skills":["u"],
		"attachment":{"type":"media","title":"m","file":{"sha256":"` + sum("scan") + `","size":4}}}`
	read := p.get("/v1/users/"+p.me()["public_identifier"].(string), "&linkedin_sections=experience&linkedin_sections=education&notify=false").body
	for _, want := range []string{job, school} {
		if !strings.Contains(linkedinCompact(t, read), linkedinCompact(t, want)) {
			t.Errorf("%s has not %s", read, want)
		}
	}
	if got := p.kept().Counts["notifications"]; got != 2 {
		t.Errorf("%d notifications", got)
	}
	// An edit of an education has the documented members, which are those of an experience.
	start := []string{"education[id]=1002", "education[start_date][month]=1", "education[start_date][year]=2002"}
	p.ok(p.edit(plus(start, "education[role]=Tutor", "education[company]=ETH", "education[notify_network]=false", "education[skills]=v", "education[skills]=w")...))
	p.ok(p.edit(plus(start, "education[grade]=6", "education[notify_network]=true")...))
	if got := p.items("education")[0]; got["grade"] != "6" || got["degree"] != "BSc" || got["role"] != "Tutor" || !reflect.DeepEqual(got["skills"], []any{"v", "w"}) || got["notify_network"] != nil {
		t.Errorf("%v", got)
	}
	if got := p.kept().Counts["notifications"]; got != 3 {
		t.Errorf("%d notifications", got)
	}
	p.want(p.edit(plus(start, "-education[id]", "education[id]=1001")...), 404, "resource_not_found") // an experience
	before := p.profile()
	p.want(p.edit(plus(postpressJob, "headline=z", "education[id]=9", "education[start_date][month]=1", "education[start_date][year]=2002")...), 404, "resource_not_found")
	if p.profile() != before {
		t.Error("a refused form is made in part")
	}
}

func TestPostPressRefusesWrongValues(t *testing.T) {
	p := startPostPress(t, Options{})
	p.ok(p.edit(postpressJob...))
	before := p.profile()
	link := plus(postpressJob, "experience[attachment][type]=link", "experience[attachment][title]=t", "experience[attachment][url]=https://e.com")
	media := plus(postpressJob, "experience[attachment][type]=media", "experience[attachment][title]=t")
	custom := []string{"custom_link[type]=BLOG", "custom_link[url]=https://e.com"}
	for _, form := range [][]string{
		{"firstName=x"}, {"headline[x]=y"}, {"headline=a", "headline=b"}, {"headline=@file"}, {"head line=x"}, {"headline]=x"}, {"headline[=x"}, {"Headline=x"}, {"location=x"},
		{"account_id=acc_2"}, {"type=LINKEDIN"}, {"object=x"},
		{"location[id]="}, {"location[postal_code]=12345"}, {"location[id]=1", "location[postal_code]=1234"}, {"location[id]=1", "location[postal_code]=123456"}, {"location[id]=1", "location[x]=1"},
		{"picture=text"}, {"picture=@"}, {"picture=@a", "picture=@b"}, {"picture[x]=@a"}, {"picture_settings[filter]=studio"}, {"picture_settings[x]=1"}, {"picture_settings[contrast]=much"},
		{"picture_settings[contrast]=1e3"}, {"picture_settings[contrast]=NaN"}, {"picture_settings[contrast]="}, {"cover_picture=text"},
		{"cover_picture_settings[layout][bottomLeft][x]=1"}, {"cover_picture_settings[layout][middle][x]=1", "cover_picture_settings[layout][middle][y]=1"}, {"picture_settings=x"},
		{"skills="}, {"skills=@file"}, {"skills[x]=y"}, {"skills_follow=yes"}, {"skills_follow=True"}, {"skills_follow="},
		plus(postpressJob, "-experience[role]"), plus(postpressJob, "-experience[company]"), plus(postpressJob, "-experience[start_date][month]"), plus(postpressJob, "-experience[start_date][year]"),
		plus(postpressJob, "-experience[role]", "experience[role]="), plus(postpressJob, "experience[role]=Second"), plus(postpressJob, "experience[school]=x"), plus(postpressJob, "experience=x"),
		plus(postpressJob, "experience[end_date][year]=2021"), plus(postpressJob, "experience[end_date]="), plus(postpressJob, "experience[presence]=on_site"), plus(postpressJob, "experience[presence]="),
		plus(postpressJob, "experience[source_of_hire]=FRIEND"), plus(postpressJob, "experience[notify_network]=1"), plus(postpressJob, "experience[seniority]=CXO"),
		plus(postpressJob, "experience[seniority][a][b]=c"), plus(postpressJob, "-experience[start_date][month]", "experience[start_date][month]=0"),
		plus(postpressJob, "-experience[start_date][month]", "experience[start_date][month]=13"), plus(postpressJob, "-experience[start_date][month]", "experience[start_date][month]=March"),
		plus(postpressJob, "-experience[start_date][year]", "experience[start_date][year]=20"), plus(postpressJob, "experience[skills]="),
		{"education[degree]=x"}, {"education[school]="}, plus(postpressSchool, "education[start_date][year]=2001"), plus(postpressSchool, "education[role]=x"),
		plus(link, "-experience[attachment][type]"), plus(link, "-experience[attachment][title]"), plus(link, "-experience[attachment][url]"), plus(link, "experience[attachment][file]=@x"),
		plus(link, "experience[attachment][thumbnail]=x"), plus(media, "experience[attachment][url]=https://e.com"), plus(media, "-experience[attachment][title]"), plus(media, "experience[attachment][file]=x"),
		plus(media, "-experience[attachment][type]", "experience[attachment][type]=text"),
		plus(postpressWork, "-open_to_work[job_title][id]"), plus(postpressWork, "-open_to_work[job_title][name]"), plus(postpressWork, "open_to_work[job_title][name]=x"),
		plus(postpressWork, "-open_to_work[presence]"), plus(postpressWork, "-open_to_work[location][on_site]"), plus(postpressWork, "open_to_work[presence]=HOME"),
		plus(postpressWork, "open_to_work[start_date]=NOW"), plus(postpressWork, "open_to_work[employment_type]=full_time"), plus(postpressWork, "open_to_work[visibility]=NONE"),
		plus(postpressWork, "open_to_work[job_title]=x"), plus(postpressWork, "open_to_work[location][elsewhere]=1"),
		plus(custom, "-custom_link[type]"), plus(custom, "-custom_link[url]"), plus(custom, "-custom_link[type]", "custom_link[type]=SHOP"), plus(custom, "custom_link[display_on]=NOWHERE"),
	} {
		if a := p.edit(form...); a.status != 422 || !strings.Contains(a.body, `"type":"errors/unprocessable_entity"`) {
			t.Errorf("%q: %d %s", form, a.status, a.body)
		}
	}
	for _, address := range []string{"e.com", "ftp://e.com", "https://", "https:///x", "://", "https://e.com/\x7f"} {
		p.want(p.edit("custom_link[type]=BLOG", "custom_link[url]="+address), 400, "invalid_url")
	}
	for _, form := range [][]string{{"type=LINKEDIN"}, {"account_id=acc_1"}, {"type=LINKEDIN", "account_id="}, {"type=linkedin", "account_id=acc_1"}, {"type=WHATSAPP", "account_id=acc_1"}} {
		p.want(p.send(nil, form...), 422, "unprocessable_entity")
	}
	if p.profile() != before || p.kept().Patches != 0 {
		t.Error("what was refused had an effect")
	}
}

func TestPostPressReads(t *testing.T) {
	p := startPostPress(t, Options{})
	me := p.me()
	for _, name := range []string{"headline", "location", "summary", "experience", "education", "skills"} {
		if _, there := me[name]; there {
			t.Errorf("me has %s", name)
		}
	}
	p.ok(p.edit("headline=h", "summary=s", "location[id]=9", "picture=@face", "skills=a", "skills=b", "skills=c"))
	me = p.me()
	for name, want := range map[string]any{"object": "AccountOwnerProfile", "provider": "LINKEDIN", "headline": "h", "location": "Place 9", "premium": false} {
		if me[name] != want {
			t.Errorf("%s is %v", name, me[name])
		}
	}
	for _, name := range []string{"provider_id", "entity_urn", "object_urn", "first_name", "last_name", "profile_picture_url", "public_identifier", "email"} {
		if text, _ := me[name].(string); text == "" {
			t.Errorf("%s is %v", name, me[name])
		}
	}
	if _, there := me["summary"]; there {
		t.Error("me has the summary")
	}
	v := p.user("")
	if v["object"] != "UserProfile" || v["summary"] != "s" || v["skills"] != nil || v["experience"] != nil || v["provider_id"] != me["provider_id"] {
		t.Errorf("%v", v)
	}
	for sections, want := range map[string]int{"skills": 3, "*": 3, "skills_preview": 2, "*_preview": 2, "skills_preview,skills": 3, "*,skills_preview": 3} {
		got, _ := p.user(sections)["skills"].([]any)
		if _, all := p.user(sections)["education"]; len(got) != want || all != strings.Contains(sections, "*") {
			t.Errorf("%s: %v", sections, got)
		}
	}
	user := "/v1/users/" + me["provider_id"].(string)
	for _, query := range []string{"&linkedin_sections=", "&linkedin_sections=other", "&linkedin_sections=skills,", "&notify=maybe", "&notify=true&notify=true", "&x=y"} {
		p.want(p.get(user, query), 400, "invalid_parameters")
	}
}
