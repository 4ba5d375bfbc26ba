package ledger

import (
	"slices"
	"strings"
)

// ResumeView is the Field.View of what belongs to a resume (Base or any other).
const ResumeView = "resume"

// The providers, by the names used in fields, connections and configuration.
const (
	Mokaru    = "mokaru"
	PostPress = "postpress"
	LinkedIn  = "linkedin"
	Nexudus   = "nexudus"
	Jarvi     = "jarvi"
)

// Providers lists the five providers in the order of the catalogue's columns.
func Providers() []string { return []string{Mokaru, LinkedIn, PostPress, Nexudus, Jarvi} }

// Kind is what values a field or member takes.
type Kind string

// The kinds. All texts refuse the empty text and count code points after NFC.
const (
	KindText     Kind = "text"         // JSON string; with Enum: one of it
	KindAlnum    Kind = "alphanumeric" // text of ASCII letters and digits
	KindEmail    Kind = "email"        // one address, without a display name
	KindDay      Kind = "date"         // a real YYYY-MM-DD
	KindDate     Kind = "partial date" // YYYY, YYYY-MM, YYYY-MM-DD or an RFC 3339 timestamp
	KindURL      Kind = "url"          // http or https; https:// is put before a text without scheme
	KindLinkedIn Kind = "linkedin url" // as KindURL; a bare user name becomes https://linkedin.com/in/<name>
	KindFile     Kind = "file"         // "sha256:" and 64 lower-case hexadecimal digits
	KindUUID     Kind = "uuid"         // 8-4-4-4-12 hexadecimal digits
	KindBool     Kind = "boolean"      //
	KindNumber   Kind = "number"       // any JSON number, kept as written
	KindInteger  Kind = "integer"      // a JSON number of digits only, 1 to 2^53-1
	KindTexts    Kind = "texts"        // array of texts; with Enum: each one of it
	KindIDs      Kind = "ids"          // array of texts or integers, each once
	KindObject   Kind = "object"       // object of Members
	KindObjects  Kind = "objects"      // array of objects of Members
	KindMap      Kind = "map"          // object of objects of Members, each under its own "id"
	KindAny      Kind = "any object"   // object whose members the seed does not name
	KindList     Kind = "collection"   // items of Members, each with an id of its own
)

// Limits that hold where a seed states none. They exist so that every event fits a
// block: MaxValue bytes sealed and encoded stay far below the engine's message limit.
const (
	MaxText  = 50_000  // code points of one text
	MaxItems = 100     // items of a collection, and elements of any array
	MaxValue = 256_000 // bytes of one value (a scalar, or one whole item) in canonical form
	MaxID    = 64      // characters of an item id given by a client
)

// How says how a provider carries a field.
type How string

// The ways to carry a field.
const (
	Sent       How = "sent"        // as it is; what is read back is equal
	Lossy      How = "lossy"       // in a form that loses something: Why says what
	NotCarried How = "not carried" // not at all: Why says why
)

// Clear says what a provider is sent when a field has been cleared.
type Clear string

// The ways to clear a field at a provider.
const (
	ClearNull   Clear = "null"    // the JSON null
	ClearEmpty  Clear = "empty"   // an empty text
	ClearList   Clear = "[]"      // an empty array
	ClearDelete Clear = "$delete" // named in the patch's $delete
	ClearItems  Clear = "delete"  // item by item, with the provider's own delete call
	ClearNever  Clear = "never"   // the provider cannot clear it: the edit is parked
)

// Home is how one provider carries a field or a member.
type Home struct {
	Provider string   `json:"provider"`
	As       string   `json:"as,omitempty"` // the path in that provider's request; "" when not carried
	How      How      `json:"how"`
	Clear    Clear    `json:"clear,omitempty"` // "" when not carried, or inside something that is replaced whole
	Why      string   `json:"why,omitempty"`   // for Lossy and NotCarried, and where a condition must be said
	Max      int      `json:"max,omitempty"`   // code points or items that the provider takes; 0 = it states no limit
	Limit    string   `json:"limit,omitempty"` // any other stated limit, in words
	Enum     []string `json:"enum,omitempty"`  // the words it takes; others are parked there
}

// Member is one member of a collection's item or of an object.
type Member struct {
	Name      string
	Kind      Kind
	Required  bool
	Localized bool // takes locale variants: "title@fr_FR" beside "title"
	Min, Max  int  // as in Field
	Enum      []string
	// With limits the member to objects whose member With[0] is With[1] (a union by
	// type); Required then holds among those only.
	With    [2]string
	Members []Member
	Homes   []Home
}

// Field is one row of the catalogue: one thing of a profile that can be edited alone.
type Field struct {
	Name      string // flat: "firstName", "postpress.location.id"; "jarvi.custom." for the fields by uuid
	View      string // Shared or ResumeView
	Kind      Kind
	Min, Max  int // code points of a text after NFC, or elements; Max 0 = MaxText or MaxItems; always set in collections
	Clearable bool
	Localized bool // takes locale variants as fields of their own: "firstName@fr_FR"
	// Hidden fields are no members of the profile document and of a native request:
	// they are set by their own routes or by a dialect.
	Hidden bool
	// Append marks a list of once-only side effects: items are added and never
	// changed, removed or sent again.
	Append     bool
	Enum       []string
	Item       []Member // members of a collection's items, or of an object
	NaturalKey []string // members that together name an item for people; see Match
	Provider   string   // whose object the field belongs to; "" for the native ones
	Homes      []Home   // one or more for each of the five providers
	About      string   // what it is, where the name does not say it
}

// IsList says that the field is a collection.
func (f Field) IsList() bool { return f.Kind == KindList }

// HomesAt gives the ways in which one provider carries the field.
func (f Field) HomesAt(provider string) []Home {
	var out []Home
	for _, h := range f.Homes {
		if h.Provider == provider {
			out = append(out, h)
		}
	}
	return out
}

// customPrefix begins the names of Jarvi's custom fields; a uuid follows.
const customPrefix = "jarvi.custom."

// index is the catalogue with its look-up table. It is built once and never changed.
type index struct {
	fields []Field
	byName map[string]int
	groups map[string]bool // "postpress.location": names that only group fields
}

var table = newIndex(slices.Concat(nativeScalars(), nativeCollections(), linkedInFields(), postPressFields(), nexudusFields(), jarviFields()))

func newIndex(fields []Field) index {
	ix := index{fields: fields, byName: make(map[string]int, len(fields)), groups: map[string]bool{}}
	for i := range fields {
		f := &fields[i]
		if f.Kind == KindList && f.Max == 0 {
			f.Max = MaxItems
		}
		f.Homes = complete(f)
		ix.byName[f.Name] = i
		if f.Provider == "" {
			continue
		}
		for name := f.Name; ; {
			dot := strings.LastIndexByte(name, '.')
			if dot < 0 {
				break
			}
			name = name[:dot]
			ix.groups[name] = true
		}
	}
	return ix
}

const noSuchField = "it has no such field"

// complete adds a row for every provider that has none.
func complete(f *Field) []Home {
	homes := slices.Clone(f.Homes)
	for _, p := range Providers() {
		if slices.ContainsFunc(homes, func(h Home) bool { return h.Provider == p }) {
			continue
		}
		why := noSuchField
		if f.Provider != "" && f.Provider != p {
			why = "the field belongs to " + f.Provider
		}
		homes = append(homes, Home{Provider: p, How: NotCarried, Why: why})
	}
	slices.SortStableFunc(homes, func(a, b Home) int {
		return slices.Index(Providers(), a.Provider) - slices.Index(Providers(), b.Provider)
	})
	return homes
}

// Catalogue lists every field in display order: native scalars, collections, then the
// fields of each provider. The slice is the caller's, what it points to is not.
func Catalogue() []Field { return slices.Clone(table.fields) }

// Lookup finds a field by its name, with or without a locale ("firstName@fr_FR"). The
// Field has the plain name; of a locale variant it is always Clearable, because a
// variant can go although the field itself must stay. A Jarvi custom field is found
// under "jarvi.custom.<uuid>" and has that as its name. ok is false for unknown names
// and for a locale where the field takes none.
func Lookup(name string) (f Field, locale string, ok bool) {
	base, locale, variant := strings.Cut(name, "@")
	if variant && !isLocale(locale) {
		return Field{}, "", false
	}
	if uuid, custom := strings.CutPrefix(base, customPrefix); custom {
		if !isUUID(uuid) || strings.ToLower(uuid) != uuid || variant {
			return Field{}, "", false
		}
		f = table.fields[table.byName[customPrefix]]
		f.Name = base
		return f, "", true
	}
	i, ok := table.byName[base]
	if !ok || base == customPrefix {
		return Field{}, "", false
	}
	f = table.fields[i]
	if variant {
		if !f.Localized {
			return Field{}, "", false
		}
		f.Clearable = true
	}
	return f, locale, true
}

// IsGroup says that a name is no field but the object that fields of a provider are in:
// "linkedin", "postpress.location", "jarvi.custom".
func IsGroup(name string) bool { return table.groups[name] }

// isLocale accepts what LinkedIn uses as locale keys: en, fr_FR, en_US_WIN.
func isLocale(s string) bool {
	parts := strings.Split(s, "_")
	if len(parts) > 3 || len(s) > 16 {
		return false
	}
	for i, p := range parts {
		if len(p) < 2 {
			return false
		}
		for j := 0; j < len(p); j++ {
			switch c := p[j]; {
			case i == 0 && (len(p) > 3 || c < 'a' || c > 'z'):
				return false
			case i == 1 && (len(p) > 3 || !isUpperOrDigit(c)), i == 2 && !isUpperOrDigit(c):
				return false
			}
		}
	}
	return true
}

func isUpperOrDigit(c byte) bool { return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
