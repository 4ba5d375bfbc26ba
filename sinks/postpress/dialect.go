package postpress

import (
	"fmt"
	"slices"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// Mapping is the version of the rules that make bodies. It is part of every hash: when
// the rules change, every account is brought up to date once.
const Mapping = 1

// The standing lanes; the sections are in items.go.
const (
	Profile      = "profile"
	Picture      = "picture"
	CoverPicture = "cover_picture"
)

// stepUpload is the one step of a picture.
const stepUpload = "upload"

// entities are the lanes, the root first.
func entities() []sinks.Entity {
	out := []sinks.Entity{{Name: Profile, Class: sinks.ClassA}}
	for _, s := range sections {
		out = append(out, sinks.Entity{Name: s.name, Class: sinks.ClassA, Items: sinks.ClassC})
	}
	return append(out, sinks.Entity{Name: Picture, Class: sinks.ClassE}, sinks.Entity{Name: CoverPicture, Class: sinks.ClassE})
}

// pictures say where a picture's lane comes from.
var pictures = map[string]struct{ field, settings string }{
	Picture:      {"picture", "postpress.pictureSettings."},
	CoverPicture: {"coverPicture", "postpress.coverPictureSettings."},
}

// rootFields are what the profile's body is made of.
var rootFields = []string{"headline", "summary", "postalCode", "skills", "website", "portfolio", "websites", "postpress.location.id",
	"postpress.skillsFollow", "postpress.openToWork", "postpress.customLink.type", "postpress.customLink.displayOn"}

// concerns names the lanes whose body an event can change. Locale variants are not
// carried, nor is the order of a section. What is about a resume as a whole, or about the
// connection itself, concerns all.
func concerns(e *ledger.Event) (lanes []string, all bool) {
	s, isSection := sectionFrom(e.Field)
	switch {
	case e.Field == "":
		return nil, true
	case e.Field == ledger.Connections:
		return nil, e.Item == ledger.PostPress
	case isSection && e.Item != "" && (e.Op == ledger.OpPut || e.Op == ledger.OpRemove):
		return []string{sinks.ItemEntity(s.name, e.Item)}, false
	case slices.Contains(rootFields, e.Field):
		return []string{Profile}, false
	}
	for _, name := range []string{Picture, CoverPicture} {
		if p := pictures[name]; e.Field == p.field || strings.HasPrefix(e.Field, p.settings) {
			return []string{name}, false
		}
	}
	return nil, false
}

// build makes what an entity should be, from an opened state.
func build(entity string, p *ledger.Profile, have sinks.Have) (sinks.Payload, error) {
	resume, ok, err := sinks.ResumeOf(p, ledger.PostPress)
	switch {
	case err != nil:
		return sinks.Payload{}, err
	case !ok:
		return sinks.Payload{}, &sinks.Unsendable{Why: "the resume that the connection names is not there"}
	}
	name, item := sinks.SplitEntity(entity)
	s, isSection := sectionOf(name)
	w := &writer{p: p, resume: resume}
	switch {
	case isSection && item != "":
		return s.build(w, item, have)
	case isSection:
		return sinks.Payload{Mapping: Mapping}, nil // there is no order to be told
	case entity == Profile:
		w.profile()
	case pictures[entity].field != "":
		w.picture(entity)
	default:
		return sinks.Payload{}, fmt.Errorf("postpress: no lane %q: %w", entity, ledger.ErrNotFound)
	}
	out, err := w.payload()
	if err == nil && out.Body != nil && entity != Profile {
		out.Steps = []string{stepUpload}
	}
	return out, err
}

// writer collects the parts of a body.
type writer struct {
	p      *ledger.Profile
	resume string
	pairs  []pair
	wrong  []string // what PostPress would not take
	err    error    // the state cannot be read
}

// payload is what was collected. Nothing can be emptied, so there are never clears.
func (w *writer) payload() (sinks.Payload, error) {
	if w.err != nil {
		return sinks.Payload{}, w.err
	}
	if len(w.wrong) > 0 {
		return sinks.Payload{}, &sinks.Unsendable{Why: strings.Join(w.wrong, "; ")}
	}
	out := sinks.Payload{Mapping: Mapping}
	for _, p := range w.pairs {
		if name, _, _ := strings.Cut(p.name, "["); !slices.Contains(out.Fields, name) {
			out.Fields = append(out.Fields, name)
		}
	}
	if len(w.pairs) > 0 {
		out.Body = encode(w.pairs)
		out.Echo = out.Body
	}
	return out, nil
}

func (w *writer) complain(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

func (w *writer) put(name, value string) { w.pairs = append(w.pairs, pair{name: name, value: value}) }

// scalar is a field of the state; ok is false when it is not set.
func (w *writer) scalar(name string) (n ledger.Node, ok bool) {
	v := w.p.Scalar(name)
	if v == nil {
		return n, false
	}
	n, err := ledger.ParseJSON(v)
	if err != nil {
		w.err = fmt.Errorf("%s: %w", name, ledger.ErrFormat)
		return n, false
	}
	return n, n.Kind != ledger.NodeNull
}

// text puts a scalar that is set and not empty.
func (w *writer) text(as, name string) (n ledger.Node, ok bool) {
	if n, ok = w.scalar(name); !ok || n.Kind == ledger.NodeString && n.Text == "" {
		return n, false
	}
	w.value(as, n)
	return n, true
}

// value puts a value in brackets: the members of an object by their names, the elements
// of an array under the one same name. Null, and what is empty, cannot be said.
func (w *writer) value(as string, n ledger.Node) {
	switch n.Kind {
	case ledger.NodeBool:
		w.put(as, map[bool]string{true: "true", false: "false"}[n.Bool])
	case ledger.NodeNumber, ledger.NodeString:
		w.put(as, n.Text)
	case ledger.NodeArray:
		for _, e := range n.Elems {
			w.value(as, e)
		}
	case ledger.NodeObject:
		for _, m := range n.Members {
			if strings.ContainsAny(m.Name, "[]") || !isName(m.Name) {
				w.complain("%s has a member whose name cannot stand in a form", as)
				return
			}
			w.value(as+"["+m.Name+"]", m.Node)
		}
	}
}

// profile is the root: what the state has of it, and nothing else.
func (w *writer) profile() {
	w.text("headline", "headline")
	w.text("summary", "summary")
	if _, ok := w.text("location[id]", "postpress.location.id"); ok { // there is no location without an id
		if n, ok := w.text("location[postal_code]", "postalCode"); ok && ledger.Length(n.Text) != 5 {
			w.complain("postalCode has not exactly 5 characters, and PostPress takes no other beside postpress.location.id")
		}
	}
	for _, item := range w.p.Items(w.resume, "skills") {
		n, err := ledger.ParseJSON(item.Value)
		name, _ := n.Member("name")
		if err != nil || name.Kind != ledger.NodeString {
			w.err = fmt.Errorf("skills: %w", ledger.ErrFormat)
			return
		}
		if name.Text != "" {
			w.put("skills", name.Text)
		}
	}
	w.text("skills_follow", "postpress.skillsFollow")
	if n, ok := w.scalar("postpress.openToWork"); ok {
		w.openToWork(n)
	}
	w.customLink()
}

// openToWork puts the object in the order of PostPress's page. A list of objects has the
// members of each under the same names, one object after the other.
func (w *writer) openToWork(n ledger.Node) {
	const as = "open_to_work"
	for _, m := range []struct {
		from, to string
		must     bool
	}{{"jobTitle", "[job_title]", true}, {"presence", "[presence]", true}, {"location", "[location]", true}, {"startDate", "[start_date]", false},
		{"employmentType", "[employment_type]", false}, {"visibility", "[visibility]", false}} {
		v, _ := n.Member(m.from)
		before := len(w.pairs)
		switch m.from {
		case "jobTitle":
			for _, title := range v.Elems {
				for _, name := range []string{"name", "id"} { // always in this order
					if part, ok := title.Member(name); ok {
						w.value(as+m.to+"["+name+"]", part)
					}
				}
			}
		case "location":
			for _, name := range []struct{ from, to string }{{"onSite", "[on_site]"}, {"remote", "[remote]"}} {
				places, _ := v.Member(name.from)
				w.value(as+m.to+name.to, places)
			}
		default:
			w.value(as+m.to, v)
		}
		if m.must && len(w.pairs) == before {
			w.complain("postpress.openToWork.%s is empty, and PostPress needs it", m.from)
		}
	}
}

// customLink is the one link that PostPress has: that of its type, a website by default.
// A type without a link is nothing to be sent.
func (w *writer) customLink() {
	kind := "WEBSITE"
	if n, ok := w.scalar("postpress.customLink.type"); ok {
		kind = n.Text
	}
	address := ""
	switch kind {
	case "WEBSITE", "PORTFOLIO":
		n, _ := w.scalar(strings.ToLower(kind))
		address = n.Text
	default:
		for _, item := range w.p.Items(ledger.Shared, "websites") {
			n, err := ledger.ParseJSON(item.Value)
			if err != nil {
				w.err = fmt.Errorf("websites: %w", ledger.ErrFormat)
				return
			}
			category, _ := n.Member("category")
			if link, _ := n.Member("url"); address == "" && strings.EqualFold(category.Text, kind) {
				address = link.Text
			}
		}
	}
	if address == "" {
		return
	}
	w.put("custom_link[type]", kind)
	w.put("custom_link[url]", address)
	w.text("custom_link[display_on]", "postpress.customLink.displayOn")
}

// picture puts a picture's file and its settings. Settings without a file say nothing.
func (w *writer) picture(entity string) {
	from := pictures[entity]
	n, ok := w.scalar(from.field)
	if !ok || n.Text == "" {
		return
	}
	w.pairs = append(w.pairs, pair{name: entity, value: n.Text, file: true})
	as := entity + "_settings"
	w.text(as+"[filter]", from.settings+"filter")
	for _, corner := range []string{"bottomLeft", "bottomRight", "topLeft", "topRight"} {
		if n, ok := w.scalar(from.settings + "layout." + corner); ok {
			for _, axis := range []string{"x", "y"} {
				v, _ := n.Member(axis)
				w.value(as+"[layout]["+corner+"]["+axis+"]", v)
			}
		}
	}
	for _, name := range []string{"contrast", "vignette", "saturation", "brightness"} {
		w.text(as+"["+name+"]", from.settings+name)
	}
}
