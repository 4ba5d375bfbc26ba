package formats

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"vitae/ledger"
)

// jsonDate is what JSON Resume takes for a date.
var jsonDate = regexp.MustCompile(`^[12][0-9]{3}(-[01][0-9](-[0-3][0-9])?)?$`)

// ReadJSONResume reads a JSON Resume for a profile that is now as it is: what the file says
// in another form than the profile (a whole name, a country's code) is kept in the
// profile's form where it means the same. It is lenient as people's files are: a member of
// another type, an empty text and members of other versions are noted, not refused. Errors:
// a *ledger.Refusal when the file is no JSON object.
func ReadJSONResume(file []byte, now *Resume) (*Import, error) {
	n, err := ledger.ParseJSON(file)
	if err != nil {
		return nil, err
	}
	if n.Kind != ledger.NodeObject {
		return nil, ledger.Refuse("", ledger.CodeWrongType, "a JSON Resume is an object")
	}
	im := &Import{}
	top := object(im, n, "")
	for _, name := range []string{"$schema", "meta"} {
		top.used[name] = true
	}
	if basics := top.object("basics"); basics != nil {
		im.basics(basics, now)
	}
	top.each("work", func(o *reader) {
		highlights := o.texts("highlights")
		m := map[string]any{"company": o.text("name", "company"), "jobTitle": o.text("position"), "location": o.text("location"),
			"description": o.text("summary"), "achievements": highlights}
		// A highlight that is a responsibility here stays one.
		for _, e := range now.items("workExperiences") {
			duties := texts(e, "responsibilities")
			if text(e, "company") == m["company"] && text(e, "jobTitle") == m["jobTitle"] && len(duties) > 0 && len(duties) <= len(highlights) &&
				slices.Equal(duties, highlights[:len(duties)]) {
				m["responsibilities"], m["achievements"] = duties, highlights[len(duties):]
				break
			}
		}
		im.add("workExperiences", o.period(m))
	})
	top.each("volunteer", func(o *reader) {
		im.add("volunteering", o.period(map[string]any{"organisation": o.text("organization"), "role": o.text("position"), "description": o.text("summary")}))
	})
	top.each("education", func(o *reader) {
		im.add("educations", o.period(map[string]any{"school": o.text("institution"), "field": o.text("area"), "degree": o.text("studyType"),
			"grade": o.text("score", "gpa")}))
	})
	top.each("awards", func(o *reader) {
		im.add("awards", o.item(map[string]any{"name": o.text("title"), "date": o.date("date"), "organisation": o.text("awarder"), "description": o.text("summary")}))
	})
	top.each("certificates", func(o *reader) {
		im.add("certificates", o.item(map[string]any{"name": o.text("name"), "issueDate": o.date("date"), "issuer": o.text("issuer"), "verificationUrl": o.text("url")}))
	})
	top.each("publications", func(o *reader) {
		im.add("publications", o.item(map[string]any{"name": o.text("name"), "publisher": o.text("publisher"), "date": o.date("releaseDate"),
			"url": o.text("url", "website"), "description": o.text("summary")}))
	})
	top.each("skills", func(o *reader) {
		m := map[string]any{"name": o.text("name")}
		if level := o.text("level"); level != "" {
			if word := strings.ToLower(level); slices.Contains([]string{"beginner", "intermediate", "advanced", "expert"}, word) {
				m["level"] = word
			} else {
				im.skip(o.at+"/level", "a level is beginner, intermediate, advanced or expert here")
			}
		}
		im.add("skills", o.item(m))
	})
	top.each("languages", func(o *reader) {
		im.add("languages", o.item(map[string]any{"name": o.text("language"), "proficiency": o.text("fluency")}))
	})
	top.each("interests", func(o *reader) { im.add("interests", o.item(map[string]any{"name": o.text("name")})) })
	top.each("projects", func(o *reader) {
		im.add("projects", o.period(map[string]any{"name": o.text("name"), "description": o.text("description", "summary"), "url": o.text("url", "website"), "organisation": o.text("entity")}))
	})
	top.rest()
	return im, nil
}

func (im *Import) basics(o *reader, now *Resume) {
	if name := o.text("name"); name != "" && name != now.name() {
		if now.text("displayName") != "" {
			im.set("displayName", o.at+"/name", name)
		} else {
			words := strings.Fields(name)
			last := len(words) - 1
			im.set("firstName", o.at+"/name", strings.Join(words[:max(last, 1)], " "))
			if last > 0 {
				im.set("lastName", o.at+"/name", words[last])
			}
		}
	}
	for _, p := range []struct{ member, field string }{{"label", "jobTitle"}, {"email", "email"}, {"phone", "phone"}, {"summary", "summary"}} {
		im.set(p.field, o.at+"/"+p.member, o.text(p.member))
	}
	im.set("website", o.at+"/url", o.text("url", "website"))
	if l := o.object("location"); l != nil {
		im.set("address", l.at+"/address", l.text("address"))
		im.set("postalCode", l.at+"/postalCode", l.text("postalCode"))
		im.set("city", l.at+"/city", l.text("city"))
		im.set("province", l.at+"/region", l.text("region"))
		if code := l.text("countryCode"); code != "" && ledger.CountryCode(code) != ledger.CountryCode(now.text("country")) {
			country := ledger.CountryName(ledger.CountryCode(code))
			if country == "" {
				country = code
			}
			im.set("country", l.at+"/countryCode", country)
		}
		l.rest()
	}
	o.each("profiles", im.network)
	if o.text("image", "picture") != "" {
		im.skip(o.at+"/image", "a picture is a file here: upload it (POST /v1/files) and set picture")
	}
	o.rest()
}

// network takes one of the person's places on the web.
func (im *Import) network(o *reader) {
	name, user, url := o.text("network"), o.text("username"), o.text("url")
	o.rest()
	for _, n := range networks {
		if !strings.EqualFold(n.name, name) && (n.field != "twitter" || !strings.EqualFold(name, "X")) {
			continue
		}
		if slices.ContainsFunc(im.values, func(v value) bool { return v.field == n.field }) {
			break // one of a kind; another is a website
		}
		if url == "" {
			im.set(n.field, o.at+"/username", user)
		} else {
			im.set(n.field, o.at+"/url", url)
			if user != "" && !strings.Contains(url, user) {
				im.skip(o.at+"/username", "the address is kept, which does not show it")
			}
		}
		return
	}
	m := map[string]any{"url": url}
	if url == "" {
		m["url"] = user
	}
	switch category := strings.ToUpper(name); {
	case name == "" || name == anyWebsite:
	case slices.Contains([]string{"PERSONAL", "COMPANY", "BLOG", "RSS", "PORTFOLIO", "OTHER"}, category):
		m["category"] = category
	default:
		m["category"], m["label"] = "OTHER", name
	}
	im.add("websites", item{members: m, from: o.at})
}

// reader reads the members of one object and remembers which it has read. A nil reader has
// no members.
type reader struct {
	im   *Import
	node ledger.Node
	at   string
	used map[string]bool
}

func object(im *Import, n ledger.Node, at string) *reader {
	return &reader{im: im, node: n, at: at, used: map[string]bool{}}
}

// member gives a member that is there and not null.
func (o *reader) member(name string) (ledger.Node, bool) {
	if o == nil {
		return ledger.Node{}, false
	}
	o.used[name] = true
	n, ok := o.node.Member(name)
	return n, ok && n.Kind != ledger.NodeNull
}

// text gives the first of the members that is a text with something in it.
func (o *reader) text(names ...string) string {
	for _, name := range names {
		n, ok := o.member(name)
		switch {
		case !ok:
		case n.Kind == ledger.NodeString || n.Kind == ledger.NodeNumber:
			if s := strings.TrimSpace(n.Text); s != "" {
				return s
			}
		default:
			o.im.skip(o.at+"/"+name, "it is no text")
		}
	}
	return ""
}

func (o *reader) texts(name string) (out []string) {
	n, ok := o.member(name)
	if !ok {
		return nil
	}
	for i, e := range n.Elems {
		if e.Kind != ledger.NodeString {
			o.im.skip(fmt.Sprintf("%s/%s/%d", o.at, name, i), "it is no text")
		} else if s := strings.TrimSpace(e.Text); s != "" {
			out = append(out, s)
		}
	}
	if n.Kind != ledger.NodeArray {
		o.im.skip(o.at+"/"+name, "it is no list")
	}
	return out
}

// date gives a date as the schema has it.
func (o *reader) date(name string) string {
	s := o.text(name)
	if s != "" && !jsonDate.MatchString(s) {
		o.im.skip(o.at+"/"+name, "a date is YYYY, YYYY-MM or YYYY-MM-DD")
		return ""
	}
	return s
}

func (o *reader) object(name string) *reader {
	n, ok := o.member(name)
	if !ok {
		return nil
	}
	if n.Kind != ledger.NodeObject {
		o.im.skip(o.at+"/"+name, "it is no object")
		return nil
	}
	return object(o.im, n, o.at+"/"+name)
}

// each reads the objects of a list.
func (o *reader) each(name string, read func(o *reader)) {
	n, ok := o.member(name)
	if !ok {
		return
	}
	if n.Kind != ledger.NodeArray {
		o.im.skip(o.at+"/"+name, "it is no list")
	}
	for i, e := range n.Elems {
		at := fmt.Sprintf("%s/%s/%d", o.at, name, i)
		if e.Kind != ledger.NodeObject {
			o.im.skip(at, "it is no object")
			continue
		}
		read(object(o.im, e, at))
	}
}

// item ends the reading of an object that became an item.
func (o *reader) item(members map[string]any) item {
	o.rest()
	return item{members: members, from: o.at}
}

// period is item for something with a beginning and an end.
func (o *reader) period(members map[string]any) item {
	start, end := o.date("startDate"), o.date("endDate")
	members["startDate"], members["endDate"] = start, end
	said, ended := o.member("endDate")
	it := o.item(members)
	it.ongoing = start != "" && (!ended || said.Kind == ledger.NodeString && said.Text == "")
	return it
}

// rest notes the members with something in them that were not read.
func (o *reader) rest() {
	if o == nil {
		return
	}
	for _, m := range o.node.Members {
		empty := m.Node.Kind == ledger.NodeNull || m.Node.Kind == ledger.NodeString && m.Node.Text == "" ||
			m.Node.Kind == ledger.NodeArray && len(m.Node.Elems) == 0 || m.Node.Kind == ledger.NodeObject && len(m.Node.Members) == 0
		if !o.used[m.Name] && !empty {
			o.im.skip(o.at+"/"+m.Name, "there is no field for it")
		}
	}
}
