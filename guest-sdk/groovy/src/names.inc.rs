// The names of the library's methods, in their order.
names! {
    abs accept acos add addAll addElement addExact addFirst addHandler addLast addObject addSuppressed after
    allMatch and andThen any anyMatch append appendReplacement appendTail apply applyAsDouble applyAsInt applyAsLong
    arraycopy asBoolean asChecked asDouble asImmutable asInt asList asLong asPredicate asReversed asSynchronized
    asText asType asUnmodifiable asin at atDate atOffset atStartOfDay atTime atZone atan atan2 average before
    between bitCount bitLength bitwiseNegate booleanValue by byteValue bytes call callReversed capacity capitalize
    cast cbrt ceil center charAt charValue chars clear clearTime clone close codePointAt collate collect
    collectEntries collectMany collectNested collectReplacements combinations compare compareTo compareToIgnoreCase
    comparingByKey comparingByValue compile compose compute computeIfAbsent computeIfPresent concat config configure
    contains containsAll containsIgnoreCase containsKey containsValue containsWithinBounds contentEquals
    convertValue copy copyOf copyOfRange copyValueOf cos count countBy createArrayNode createObjectNode
    currentTimeMillis curry debug decimalValue decode decodeBase64 decodeBase64Url decodeHex deepCopy deepEquals
    deepToString dehydrate delete deleteCharAt denormalize deserialize digest disable disjoint displayName distinct
    div divide doCall doubleValue downto drop dropRight dropWhile dump each eachLine eachMatch eachWithIndex element
    elementAt elements emptyList emptyMap emptySet enable encode encodeBase64 encodeBase64Url encodeHex
    encodeToString end endsWith endsWithIgnoreCase entry entrySet equals equalsIgnoreCase error every execute exit
    exp expand fieldNames fields fill filter find findAll findAndRegisterModules findIn findIndexOf findIndexValues
    findLastIndexOf findResult findResults findValue fine finer finest first firstEntry firstKey flags flatMap
    flatten floatValue floor floorDiv floorMod flush forEach forEachRemaining forLanguageTag forName format
    formatted frequency from fromString gcd get getActualSnowplowPayload getAnonymousLogger getAt getBuffer getBytes
    getCanonicalName getCause getChars getClass getContent getCount getDate getDay getDayOfMonth getDayOfWeek
    getDayOfYear getDays getDeclaringClass getDecoder getDefault getDelegate getEncoder getEnumConstants
    getEpochSecond getFirst getFrom getGlobal getHour getHours getID getId getIndices getInstance getKey getLast
    getLeastSignificantBits getLocalizedMessage getLogger getMaximumNumberOfParameters getMessage getMimeDecoder
    getMimeEncoder getMinute getMinutes getMonth getMonthValue getMonths getMostSignificantBits getName getNano
    getNumericValue getOffset getOrDefault getOwner getParameterTypes getProperties getProperty getSecond getSeconds
    getSimpleName getStackTrace getSuperclass getSuppressed getText getThisObject getTime getTimeInMillis
    getTimeZone getTo getTotalSeconds getTypeName getUrlDecoder getUrlEncoder getValue getYear getYears getZone
    getenv grep group groupBy groupCount has hasGroup hasMoreElements hasNext hasNonNull hasProperty hash hashCode
    head hitEnd hypot identity identityHashCode implies indexOf indexed indices info init initCause inject insert
    inspect intValue intValueExact intdiv intern intersect invokeMethod is isAfter isAllWhitespace isArray
    isAssignableFrom isBefore isBigDecimal isBigInteger isBlank isBoolean isCase isContainerNode isDebugEnabled
    isDigit isDouble isEmpty isEqual isFinite isFloat isFloatingPointNumber isInfinite isInfoEnabled isInstance
    isInt isInteger isIntegralNumber isLeapYear isLetter isLetterOrDigit isLoggable isLong isLowerCase isMissingNode
    isNaN isNegative isNull isNumber isObject isProbablePrime isReverse isTextual isUpperCase isValueNode
    isWhitespace isZero iterator join keySet last lastEntry lastIndexOf lastKey leftShift length lengthOfMonth
    lengthOfYear limit lineSeparator lines listIterator log log10 longValue longValueExact lookingAt map matcher
    matches max md5 memoize memoizeAtLeast memoizeAtMost memoizeBetween merge min minus minusDays minusHours
    minusMillis minusMinutes minusMonths minusNanos minusSeconds minusWeeks minusYears r#mod multipliedBy multiply
    multiplyExact nCopies name nameUUIDFromBytes nanoTime naturalOrder navigableKeySet ncurry negate negated
    negative newInstance next nextElement nonNull noneMatch normalize normalizeJson now numberValue of ofDays
    ofEpochDay ofEpochMilli ofEpochSecond ofHours ofInstant ofMillis ofMinutes ofMonths ofNanos ofPattern ofSeconds
    ofWeeks ofYears offer or ordinal padLeft padRight parallelStream parse parseBoolean parseDouble parseFile
    parseFloat parseInt parseLong parseShort parseText parseUnsignedInt parseUrl path pattern peek permutations plus
    plusDays plusHours plusMillis plusMinutes plusMonths plusNanos plusSeconds plusWeeks plusYears poll pollLast pop
    positive pow power precision prettyPrint previous print printStackTrace printf println properties push put
    putAll putArray putAt putIfAbsent putNull putObject quote quoteReplacement random randomUUID rcurry readLines
    readTree readValue reader reduce registerModule rehydrate rem remainder remove removeAll removeAt removeElement
    removeFirst removeIf removeLast repeat replace replaceAll replaceFirst requireNonNull requireNonNullElse reset
    respondsTo results retainAll reverse reverseEach reverseOrder reversed rightShift rightShiftUnsigned rint round
    run scale set setAll setCharAt setCheckDates setChop setDelegate setLazyChop setLength setLenient setLevel
    setProperty setResolveStrategy setRoundingMode setScale setSerializationInclusion setTime setTimeInMillis
    setTimeZone setType setUseParentHandlers setValue severe sha256 shiftLeft shiftRight shortValue shuffle shuffled
    signum sin singleton singletonList size skip sleep sort split splitEachLine spread sqrt start startsWith
    startsWithIgnoreCase step stream strip stripIndent stripLeading stripMargin stripTrailing stripTrailingZeros
    subList subMap subSequence subsequences substring subtract subtractExact sum swap synchronizedList
    synchronizedMap systemDefault tail take takeAfter takeBefore takeBetween takeRight takeWhile tan tap tapIdentity
    test testBit textValue times toArray toBigDecimal toBigInteger toBinaryString toBoolean toCalendar toChar
    toCharArray toCharacter toChars toDate toDays toDegrees toDouble toEpochDay toEpochMilli toEpochSecond toFloat
    toHexString toHours toHoursPart toInstant toIntExact toInteger toJSON toJson toList toLocalDate toLocalDateTime
    toLocalTime toLong toLowerCase toMapString toMillis toMinutes toMinutesPart toNanoOfDay toNanos toOctalString
    toOffsetDateTime toPattern toPlainString toPrettyString toRadians toSecondOfDay toSeconds toSecondsPart toSet
    toShort toSorted toStream toString toTotalMonths toUnique toUpperCase toZonedDateTime tokenize tr trace
    trampoline translateEscapes transpose trim trunc truncate truncatedTo unaryMinus uncapitalize unescaped union
    unique unmodifiableList unmodifiableMap unmodifiableSet unscaledValue until update upto valueOf valueToTree
    values version warn warning with withDayOfMonth withDayOfYear withDefault withHour withIndex withLazyDefault
    withLocale withMinute withMonth withNano withOffsetSameInstant withSecond withYear withZone withZoneSameInstant
    withZoneSameLocal without withoutPadding write writeTo writeValueAsBytes writeValueAsString writer
    writerWithDefaultPrettyPrinter xor zip
}
