package ledger

import (
	"fmt"
	"slices"
	"strings"
)

// Leaf is one row of the catalogue written out: a field, a member of a collection's
// item ("projects[].name") or a member of an object.
type Leaf struct {
	Path      string   `json:"path"`
	View      string   `json:"view"`
	Kind      Kind     `json:"kind"`
	Provider  string   `json:"provider,omitempty"`
	Required  bool     `json:"required,omitempty"`
	Clearable bool     `json:"clearable,omitempty"`
	Localized bool     `json:"localized,omitempty"`
	Hidden    bool     `json:"hidden,omitempty"`
	Min       int      `json:"min,omitempty"`
	Max       int      `json:"max,omitempty"`
	Enum      []string `json:"enum,omitempty"`
	About     string   `json:"about,omitempty"`
	Homes     []Home   `json:"homes,omitempty"`
}

// Leaves lists every field followed by its members, in display order.
func Leaves() []Leaf {
	var out []Leaf
	var walk func(path string, f *Field, members []Member)
	walk = func(path string, f *Field, members []Member) {
		for i := range members {
			m := &members[i]
			p := path + "." + m.Name
			out = append(out, Leaf{Path: p, View: f.View, Kind: m.Kind, Provider: f.Provider, Required: m.Required, Localized: m.Localized,
				Hidden: f.Hidden, Min: m.Min, Max: m.Max, Enum: m.Enum, Homes: m.Homes})
			walk(into(p, m.Kind), f, m.Members)
		}
	}
	for i := range table.fields {
		f := &table.fields[i]
		path := f.Name
		if path == customPrefix {
			path += "<uuid>"
		}
		out = append(out, Leaf{Path: path, View: f.View, Kind: f.Kind, Provider: f.Provider, Clearable: f.Clearable, Localized: f.Localized,
			Hidden: f.Hidden, Min: f.Min, Max: f.Max, Enum: f.Enum, About: f.About, Homes: f.Homes})
		walk(into(path, f.Kind), f, f.Item)
	}
	return out
}

// into is the path of what a value of the kind holds.
func into(path string, kind Kind) string {
	switch kind {
	case KindList, KindObjects:
		return path + "[]"
	case KindMap:
		return path + ".*"
	}
	return path
}

// FieldsMarkdown writes the catalogue as the document docs/fields.md.
func FieldsMarkdown() []byte {
	var b strings.Builder
	b.WriteString(`# Fields

Written from the catalogue in package ledger; do not edit (` + "`go test ./ledger -run FieldsDocument -update`" + `).

Every field, what it takes, and how each provider carries it. *Lossy* says what is lost on the way there; a dash says that
the provider does not hold the field. Limits count Unicode code points after NFC. Where no limit is given a text takes ` +
		fmt.Sprintf("%d code\npoints, an array %d elements; one value takes at most %d bytes", MaxText, MaxItems, MaxValue) + `.
*Localized* fields take variants for other locales, as fields of their own: ` + "`firstName@fr_FR`" + `.
What is **required** no item is without, whichever dialect it comes in: who reads a collection, appends to it and sends the whole
back, as Mokaru's page says, must not have its own answer refused. LinkedIn's create of an entry that lacks such a member is a 422
that names it, also where LinkedIn's page has it optional (a position's ` + "`title`" + ` and ` + "`companyName`" + `, an education's ` + "`schoolName`" + `, a
project's ` + "`description`" + `, a certification's ` + "`name`" + ` and ` + "`authority`" + `, the ` + "`name`" + ` of a course, an organization and a test score).

`)
	groups := []struct {
		title string
		in    func(Leaf) bool
	}{
		{"Scalars", func(l Leaf) bool { return l.Provider == "" && !strings.Contains(l.Path, "[]") && l.Kind != KindList }},
		{"Collections", func(l Leaf) bool {
			return l.Provider == "" && (strings.Contains(l.Path, "[]") || l.Kind == KindList)
		}},
		{"LinkedIn only", func(l Leaf) bool { return l.Provider == LinkedIn }},
		{"PostPress only", func(l Leaf) bool { return l.Provider == PostPress }},
		{"Nexudus only", func(l Leaf) bool { return l.Provider == Nexudus }},
		{"Jarvi only", func(l Leaf) bool { return l.Provider == Jarvi }},
	}
	leaves := Leaves()
	for _, g := range groups {
		fmt.Fprintf(&b, "## %s\n\n| field | takes |", g.title)
		columns := Providers()
		if p, only, _ := strings.Cut(g.title, " "); only == "only" {
			columns = []string{strings.ToLower(p)}
		}
		for _, p := range columns {
			fmt.Fprintf(&b, " %s |", title(p))
		}
		b.WriteString("\n|---|---|" + strings.Repeat("---|", len(columns)) + "\n")
		for _, l := range leaves {
			if g.in(l) {
				fmt.Fprintf(&b, "| `%s` | %s |", l.Path, takes(l))
				for _, p := range columns {
					fmt.Fprintf(&b, " %s |", carried(l, p))
				}
				b.WriteByte('\n')
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString("## No fields\n\nNames in a provider's request that are no part of a profile.\n\n| provider | name | why |\n|---|---|---|\n")
	for _, n := range NotFields() {
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", title(n.Provider), n.As, n.Why)
	}
	return []byte(b.String())
}

func title(provider string) string {
	return map[string]string{Mokaru: "Mokaru", PostPress: "PostPress", LinkedIn: "LinkedIn", Nexudus: "Nexudus", Jarvi: "Jarvi"}[provider]
}

// takes says in a few words what values a leaf takes.
func takes(l Leaf) string {
	var w []string
	kind := string(l.Kind)
	if len(l.Enum) > 0 {
		kind = strings.Join(l.Enum, ", ")
		if l.Kind == KindTexts {
			kind = "any of " + kind
		}
	}
	unit := " characters"
	if l.Kind == KindList || l.Kind == KindMap || l.Kind == KindTexts {
		unit = " items"
	}
	switch {
	case l.Min > 0:
		kind += fmt.Sprintf(", %d to %d%s", l.Min, l.Max, unit)
	case l.Max > 0 && l.Max < 1<<20:
		kind += fmt.Sprintf(", at most %d%s", l.Max, unit)
	}
	w = append(w, kind)
	if l.Required {
		w = append(w, "**required**")
	}
	if l.Localized {
		w = append(w, "localized")
	}
	if l.Hidden {
		w = append(w, "not in the document")
	}
	if l.View == Shared && l.Kind != KindList && !l.Clearable && l.Provider == "" && !strings.Contains(l.Path, "[]") {
		w = append(w, "cannot be cleared")
	}
	if l.About != "" {
		w = append(w, l.About)
	}
	return strings.Join(w, "; ")
}

// carried says how a provider carries a leaf.
func carried(l Leaf, provider string) string {
	var ways []string
	for _, h := range l.Homes {
		if h.Provider != provider {
			continue
		}
		if h.How == NotCarried {
			if h.Why == noSuchField {
				return "–"
			}
			return "– (" + h.Why + ")"
		}
		var notes []string
		if h.How == Lossy {
			notes = append(notes, "*lossy*: "+h.Why)
		} else if h.Why != "" {
			notes = append(notes, h.Why)
		}
		if h.Max > 0 {
			notes = append(notes, fmt.Sprintf("at most %d", h.Max))
		}
		if h.Limit != "" {
			notes = append(notes, h.Limit)
		}
		if len(h.Enum) > 0 {
			notes = append(notes, "one of "+strings.Join(h.Enum, ", "))
		}
		switch h.Clear {
		case "":
		case ClearNever:
			notes = append(notes, "cannot be cleared there")
		default:
			notes = append(notes, "cleared by "+string(h.Clear))
		}
		way := "`" + h.As + "`"
		if len(notes) > 0 {
			way += " (" + strings.Join(slices.Compact(notes), "; ") + ")"
		}
		ways = append(ways, way)
	}
	if len(ways) == 0 {
		return "–"
	}
	return strings.Join(ways, "; ")
}
