package ledger

// The collections. Items of the first seven have the members of Mokaru's Update Profile
// page, work experiences, educations and skills those of its item routes; the others
// follow LinkedIn's sections. What only one provider knows about an item is in the
// item's member of that provider's name.

const (
	noDayThere   = "month and year only: a day is lost"
	yearOnly     = "the year only: month and day are lost"
	monthAndYear = "month and year, both needed: a day is lost, and without a month the item is parked"
)

// section is LinkedIn's two homes of a collection: the entries and their order.
func section(name string) []Home {
	return []Home{
		sent(LinkedIn, name, ClearItems),
		sent(LinkedIn, name+"Order", "").because("the ids in order, after the entries are there"),
	}
}

// replaced is Mokaru's home of a collection that the profile's update replaces whole.
func replaced(name string, max int) Home { return sent(Mokaru, name, ClearList).max(max) }

// in puts a collection's path before what its members' homes at a provider say.
func in(paths map[string]string, members ...Member) []Member {
	for i := range members {
		for j, h := range members[i].Homes {
			if path, ok := paths[h.Provider]; ok {
				members[i].Homes[j].As = path + "[]." + h.As
			}
		}
		members[i].Members = in(paths, members[i].Members...)
	}
	return members
}

func text(name string, homes ...Home) Member {
	return Member{Name: name, Kind: KindText, Homes: homes}
}

func of(kind Kind, name string, homes ...Home) Member {
	return Member{Name: name, Kind: kind, Homes: homes}
}

func (m Member) required() Member           { m.Required = true; return m }
func (m Member) localized() Member          { m.Localized = true; return m }
func (m Member) upTo(n int) Member          { m.Max = n; return m }
func (m Member) oneOf(w ...string) Member   { m.Enum = w; return m }
func (m Member) with(k, v string) Member    { m.With = [2]string{k, v}; return m }
func (m Member) holding(s ...Member) Member { m.Members = s; return m }

// atLinkedIn is the member that holds what only LinkedIn knows about an item.
func atLinkedIn(members ...Member) Member { return of(KindObject, LinkedIn).holding(members...) }

// urn is a member of that object, under LinkedIn's own name.
func urn(name string) Member { return text(name, to(LinkedIn, name)) }

// people are LinkedIn's contributors. A sink adds the profile's own person where
// LinkedIn wants it among them.
func people(name string) Member {
	return of(KindObjects, name, to(LinkedIn, name)).holding(
		text("memberId", to(LinkedIn, name+"[].memberId")), text("name", to(LinkedIn, name+"[].name")).localized())
}

func both(name string) []Home { return []Home{to(Mokaru, name), to(LinkedIn, name)} }

func richText(name string) Home { return to(LinkedIn, name+".localized.*.rawText") }

func month(name string) Home { return lossy(LinkedIn, name, "", noDayThere) }

func collection(name string, key []string, paths map[string]string, homes []Home, members ...Member) Field {
	return Field{Name: name, View: ResumeView, Kind: KindList, NaturalKey: key, Homes: homes, Item: in(paths, members...)}
}

func nativeCollections() []Field {
	fields := []Field{
		collection("summaries", []string{"title"}, map[string]string{Mokaru: "summaries"}, []Home{replaced("summaries", 100)},
			text("title", to(Mokaru, "title")).localized(),
			text("content", to(Mokaru, "content")).required().localized()),
		workExperiences(),
		educations(),
		collection("skills", []string{"name"}, map[string]string{Mokaru: "skills", LinkedIn: "skills"}, append(section("skills"),
			sent(Mokaru, "/v1/skills", ClearItems).because("one call for each item"),
			lossy(PostPress, "skills", ClearNever, "the names only"),
			lossy(Nexudus, "ProfileTags", ClearEmpty, "the names only, in one text parted by commas; a name with a comma cannot be sent")),
			text("name", both("name")...).required().localized().upTo(100),
			text("category", to(Mokaru, "category")).localized().upTo(100),
			text("level", to(Mokaru, "level")).oneOf("beginner", "intermediate", "advanced", "expert")),
		collection("projects", []string{"name"}, map[string]string{Mokaru: "projects", LinkedIn: "projects"}, append(section("projects"), replaced("projects", 100)),
			text("name", to(Mokaru, "name"), to(LinkedIn, "title")).required().localized(),
			text("description", to(Mokaru, "description"), richText("description")).required().localized(),
			text("organisation", to(Mokaru, "organisation")).localized(),
			of(KindDate, "startDate", to(Mokaru, "startDate"), month("startMonthYear")),
			of(KindDate, "endDate", to(Mokaru, "endDate"), month("endMonthYear")),
			of(KindBool, "isCurrent", to(Mokaru, "isCurrent"), to(LinkedIn, "endMonthYear").because("current is what has no end")),
			text("url", both("url")...),
			atLinkedIn(people("members"), of(KindBool, "singleDate", to(LinkedIn, "singleDate")), urn("occupation"))),
		collection("certificates", []string{"name", "issuer"}, map[string]string{Mokaru: "certificates", LinkedIn: "certifications"}, append(section("certifications"), replaced("certificates", 100)),
			text("name", both("name")...).required().localized(),
			text("issuer", to(Mokaru, "issuer"), to(LinkedIn, "authority")).required().localized(),
			text("description", to(Mokaru, "description")).localized(),
			of(KindDate, "issueDate", to(Mokaru, "issueDate"), month("startMonthYear")),
			of(KindDate, "expiryDate", to(Mokaru, "expiryDate"), month("endMonthYear")),
			text("credentialId", to(Mokaru, "credentialId"), to(LinkedIn, "licenseNumber")).localized(),
			text("verificationUrl", to(Mokaru, "verificationUrl"), to(LinkedIn, "url")),
			atLinkedIn(urn("company"))),
		collection("awards", []string{"name"}, map[string]string{Mokaru: "awards", LinkedIn: "honors"}, append(section("honors"), replaced("awards", 100)),
			text("name", to(Mokaru, "name"), to(LinkedIn, "title")).required().localized(),
			text("organisation", to(Mokaru, "organisation"), to(LinkedIn, "issuer")).localized(),
			text("description", to(Mokaru, "description"), richText("description")).localized(),
			of(KindDate, "date", to(Mokaru, "date"), month("issueDate")),
			atLinkedIn(urn("occupation"))),
		collection("publications", []string{"name"}, map[string]string{Mokaru: "publications", LinkedIn: "publications"}, append(section("publications"), replaced("publications", 100)),
			text("name", both("name")...).required().localized(),
			text("publisher", both("publisher")...).localized(),
			of(KindDate, "date", both("date")...),
			text("url", both("url")...),
			text("description", to(Mokaru, "description"), richText("description")).localized(),
			atLinkedIn(people("authors"))),
		collection("interests", []string{"name"}, map[string]string{Mokaru: "interests"},
			[]Home{replaced("interests", 100), absent(LinkedIn, "its interests is one text, kept as linkedin.interests")},
			text("name", to(Mokaru, "name")).required().localized(),
			text("description", to(Mokaru, "description")).localized()),
		collection("jobTitles", []string{"title"}, map[string]string{Mokaru: "jobTitles"}, []Home{replaced("jobTitles", 50)},
			text("title", to(Mokaru, "title")).required().localized()),
		collection("languages", []string{"name"}, map[string]string{LinkedIn: "languages"}, section("languages"),
			text("name", to(LinkedIn, "name")).required().localized(),
			text("proficiency", to(LinkedIn, "proficiency").enum([]string{"ELEMENTARY", "LIMITED_WORKING", "PROFESSIONAL_WORKING",
				"FULL_PROFESSIONAL", "NATIVE_OR_BILINGUAL"}))),
		collection("courses", []string{"name"}, map[string]string{LinkedIn: "courses"}, section("courses"),
			text("name", to(LinkedIn, "name")).required().localized(),
			text("number", to(LinkedIn, "number")),
			atLinkedIn(urn("occupation"))),
		collection("patents", []string{"title"}, map[string]string{LinkedIn: "patents"}, section("patents"),
			text("title", to(LinkedIn, "title")).required().localized(),
			text("issuer", to(LinkedIn, "issuer").limit("a lower-case country code")).required().localized(),
			text("number", to(LinkedIn, "number").because("applicationNumber while pending")),
			of(KindBool, "pending", to(LinkedIn, "pending")),
			of(KindDate, "issueDate", to(LinkedIn, "issueDate").because("only when not pending")),
			of(KindDate, "filingDate", to(LinkedIn, "filingDate").because("only while pending")),
			of(KindTexts, "inventors", to(LinkedIn, "inventors[].name")),
			text("url", to(LinkedIn, "url")),
			text("description", richText("description")).localized(),
			atLinkedIn(people("inventors"), text("applicationNumber", to(LinkedIn, "applicationNumber")))),
		collection("organizations", []string{"name"}, map[string]string{LinkedIn: "organizations"}, section("organizations"),
			text("name", to(LinkedIn, "name")).required().localized(),
			text("position", to(LinkedIn, "position")).localized(),
			of(KindDate, "startDate", month("startMonthYear")),
			of(KindDate, "endDate", month("endMonthYear")),
			text("description", richText("description")).localized(),
			atLinkedIn(urn("occupation"))),
		collection("testScores", []string{"name"}, map[string]string{LinkedIn: "testScores"}, section("testScores"),
			text("name", to(LinkedIn, "name")).required().localized(),
			text("score", to(LinkedIn, "score")),
			of(KindDate, "date", month("date")),
			text("description", richText("description")).localized(),
			atLinkedIn(urn("occupation"))),
		collection("volunteering", []string{"organisation", "role"}, map[string]string{LinkedIn: "volunteeringExperiences"}, section("volunteeringExperiences"),
			text("organisation", to(LinkedIn, "companyName")).required().localized(),
			text("role", to(LinkedIn, "role")).required().localized(),
			text("cause", to(LinkedIn, "cause").enum(causes())),
			of(KindDate, "startDate", month("startMonthYear")),
			of(KindDate, "endDate", month("endMonthYear")),
			text("description", richText("description")).localized(),
			atLinkedIn(urn("company"), of(KindBool, "singleDate", to(LinkedIn, "singleDate")))),
		collection("phones", []string{"number"}, map[string]string{LinkedIn: "phoneNumbers"}, []Home{
			lossy(Mokaru, "phone", ClearNull, "the first number only, without its type").max(50),
			sent(LinkedIn, "phoneNumbers", ClearList),
			lossy(Nexudus, "MobilePhone", ClearNull, "the first number only, without its type"),
			lossy(Jarvi, "phoneNumbers", ClearNever, "the numbers in one text parted by commas, without their types")},
			text("number", to(LinkedIn, "number")).required().upTo(50),
			text("type", to(LinkedIn, "type"))),
		collection("websites", []string{"url"}, map[string]string{LinkedIn: "websites"}, []Home{
			sent(LinkedIn, "websites", ClearList).because("after website and portfolio"),
			lossy(PostPress, "custom_link[url]", ClearNever, "the first of the category that postpress.customLink.type names")},
			text("url", to(LinkedIn, "url")).required().localized(),
			text("category", to(LinkedIn, "category").enum([]string{"PERSONAL", "COMPANY", "BLOG", "RSS", "PORTFOLIO", "OTHER"})),
			text("label", to(LinkedIn, "label").because("only with the category OTHER")).localized()),
	}
	for i := range fields {
		switch fields[i].Name {
		case "phones":
			fields[i].View, fields[i].About = Shared, "every number; the first is phone"
		case "websites":
			fields[i].View, fields[i].About = Shared, "links besides website and portfolio"
		case "jobTitles":
			fields[i].Max = 50
		}
	}
	return fields
}

// causes are the voluntary causes that LinkedIn knows.
func causes() []string {
	return []string{"animalRights", "artsAndCulture", "children", "civilRights", "economicEmpowerment", "education", "environment",
		"health", "humanRights", "humanitarianRelief", "politics", "povertyAlleviation", "scienceAndTechnology", "socialServices"}
}

func workExperiences() Field {
	pp := func(name string) Home { return to(PostPress, "experience["+name+"]") }
	return collection("workExperiences", []string{"jobTitle", "company"}, map[string]string{Mokaru: "experiences", LinkedIn: "positions"},
		append(section("positions"),
			sent(Mokaru, "/v1/experiences", ClearItems).because("one call for each item"),
			lossy(PostPress, "experience", ClearNever, "one entry a request, added or edited; an entry cannot be taken out")),
		text("jobTitle", to(Mokaru, "jobTitle").max(200), to(LinkedIn, "title"), pp("role")).required().localized().upTo(200),
		text("company", to(Mokaru, "company").max(200), to(LinkedIn, "companyName"), pp("company")).required().localized().upTo(200),
		text("location", to(Mokaru, "location").max(200), to(LinkedIn, "geoPositionLocation.displayLocationName"), pp("location")).localized().upTo(200),
		of(KindDate, "startDate", to(Mokaru, "startDate"), month("startMonthYear"), lossy(PostPress, "experience[start_date]", "", monthAndYear)),
		of(KindDate, "endDate", to(Mokaru, "endDate"), month("endMonthYear"), lossy(PostPress, "experience[end_date]", "", monthAndYear)),
		of(KindBool, "isCurrent", to(Mokaru, "isCurrent"), to(LinkedIn, "endMonthYear").because("current is what has no end"),
			pp("end_date").because("current is what has no end")),
		text("description", to(Mokaru, "description").max(5000), richText("description"), pp("description")).localized().upTo(5000),
		of(KindTexts, "responsibilities", to(Mokaru, "responsibilities")),
		of(KindTexts, "achievements", to(Mokaru, "achievements")),
		atLinkedIn(urn("company"), of(KindTexts, "memberRichContents", to(LinkedIn, "memberRichContents")),
			of(KindObject, "location", to(LinkedIn, "location").because("the older form of geoPositionLocation")).holding(
				text("countryCode", to(LinkedIn, "location.countryCode")).required(), of(KindInteger, "regionCode", to(LinkedIn, "location.regionCode"))),
			text("locationName", to(LinkedIn, "locationName")).localized()),
		of(KindObject, PostPress).holding(
			text("employmentType", pp("employment_type")),
			text("companyId", pp("company_id")),
			text("presence", pp("presence")).oneOf(presences()...),
			of(KindAny, "seniority", pp("seniority")),
			text("sourceOfHire", pp("source_of_hire")).oneOf("INDEED", "LINKEDIN", "COMPANY_WEBSITE", "OTHER_JOB_SITES", "REFERRAL",
				"CONTACTED_BY_RECRUITER", "STAFFING_AGENCY", "OTHER"),
			of(KindTexts, "skills", pp("skills")),
			attachment("experience"),
			of(KindBool, "notifyNetwork", pp("notify_network").because("once, when the entry is first sent; never in a replay"))))
}

func presences() []string { return []string{"ON_SITE", "HYBRID", "REMOTE"} }

// attachment is PostPress' union of a link and a file.
func attachment(of string) Member {
	pp := func(name string) Home { return to(PostPress, of+"[attachment]["+name+"]") }
	return Member{Name: "attachment", Kind: KindObject, Homes: []Home{to(PostPress, of+"[attachment]")}, Members: []Member{
		text("type", pp("type")).required().oneOf("link", "media"),
		text("title", pp("title")).required(),
		text("description", pp("description")),
		text("url", pp("url")).required().with("type", "link"),
		{Name: "thumbnail", Kind: KindFile, Homes: []Home{pp("thumbnail")}, With: [2]string{"type", "link"}},
		{Name: "file", Kind: KindFile, Homes: []Home{pp("file")}, With: [2]string{"type", "media"}},
	}}
}

func educations() Field {
	pp := func(name string) Home { return to(PostPress, "education["+name+"]") }
	return collection("educations", []string{"school", "degree"}, map[string]string{Mokaru: "education", LinkedIn: "educations"},
		append(section("educations"),
			sent(Mokaru, "/v1/education", ClearItems).because("one call for each item"),
			lossy(PostPress, "education", ClearNever, "one entry a request, added or edited; an entry cannot be taken out")),
		text("school", to(Mokaru, "school").max(200), to(LinkedIn, "schoolName"), pp("school")).required().localized().upTo(200),
		text("degree", to(Mokaru, "degree").max(200), to(LinkedIn, "degreeName"), pp("degree")).localized().upTo(200),
		text("field", to(Mokaru, "field").max(200), to(LinkedIn, "fieldsOfStudy[].fieldOfStudyName"), pp("field_of_study")).localized().upTo(200),
		text("grade", to(LinkedIn, "grade.grade"), pp("grade")).localized(),
		text("activities", to(LinkedIn, "activities"), pp("activities")).localized(),
		of(KindDate, "startDate", to(Mokaru, "startDate"), lossy(LinkedIn, "startMonthYear", "", yearOnly), lossy(PostPress, "education[start_date]", "", monthAndYear)),
		of(KindDate, "endDate", to(Mokaru, "endDate"), lossy(LinkedIn, "endMonthYear", "", yearOnly), lossy(PostPress, "education[end_date]", "", monthAndYear)),
		of(KindBool, "isCurrent", to(Mokaru, "isCurrent"), to(LinkedIn, "endMonthYear").because("current is what has no end"),
			pp("end_date").because("current is what has no end")),
		text("description", to(Mokaru, "description").max(5000), richText("notes"), pp("description")).localized().upTo(5000),
		atLinkedIn(urn("organization"), urn("program"), of(KindTexts, "memberRichContents", to(LinkedIn, "memberRichContents"))),
		of(KindObject, PostPress).holding(
			of(KindTexts, "skills", pp("skills")),
			attachment("education"),
			of(KindBool, "notifyNetwork", pp("notify_network").because("once, when the entry is first sent; never in a replay"))))
}
