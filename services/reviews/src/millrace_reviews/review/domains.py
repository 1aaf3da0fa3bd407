"""Top-level domains by which a text's links are recognized, as alternatives of a pattern.

From the list of the IANA, https://data.iana.org/TLD/tlds-alpha-by-domain.txt.
"""

from typing import Final

GENERIC: Final = (
    "academy|agency|app|asia|beauty|best|bid|biz|blog|bond|buzz|cam|care|cash|casa|center|cfd|chat|click|clinic|cloud|"
    "club|com|coupons|cyou|dating|deals|dental|dentist|dev|diet|digital|discount|doctor|email|expert|express|fit|"
    "fitness|fun|gift|guru|health|healthcare|help|hospital|host|icu|info|ink|life|link|live|loan|lol|ltd|market|media|"
    "medical|mobi|monster|net|network|news|nexus|ngo|ninja|online|org|page|party|pharmacy|pics|plus|press|pro|promo|"
    "quest|rehab|rent|rest|reviews|sale|sbs|science|services|shop|site|skin|solutions|space|store|surf|surgery|team|"
    "tech|tips|top|trade|travel|vip|vision|website|wiki|win|work|works|world|wtf|xyz|yoga|zip|zone"
)
COUNTRIES: Final = (
    "ac|ad|ae|af|ag|ai|al|ao|aq|ar|au|aw|ax|az|ba|bb|bd|bf|bg|bh|bi|bj|bm|bn|bo|br|bs|bt|bw|by|bz|ca|cc|cd|cf|cg|ch|"
    "ci|ck|cl|cm|cn|co|cr|cu|cv|cw|cx|cy|cz|de|dj|dk|dm|dz|ec|ee|eg|er|es|et|eu|fi|fj|fk|fm|fo|fr|ga|gd|ge|gf|gg|gh|"
    "gi|gl|gm|gn|gp|gq|gr|gs|gt|gu|gw|gy|hk|hm|hn|hr|ht|hu|ie|il|im|io|iq|ir|je|jm|jo|jp|ke|kg|kh|ki|km|kn|kp|kr|kw|"
    "ky|kz|la|lb|lc|li|lk|lr|ls|lt|lu|lv|ly|ma|mc|md|mg|mh|mk|ml|mm|mn|mo|mp|mq|mr|ms|mt|mu|mv|mw|mx|mz|na|nc|ne|nf|"
    "ng|ni|nl|np|nr|nu|nz|om|pa|pe|pf|pg|ph|pk|pl|pn|pr|ps|pt|pw|py|qa|re|ro|rs|ru|rw|sa|sb|sc|sd|se|sg|sh|si|sk|sl|"
    "sm|sn|sr|ss|st|su|sv|sx|sy|sz|tc|td|tf|tg|th|tj|tk|tl|tm|tn|tr|tt|tv|tw|tz|ua|ug|uk|uy|uz|va|vc|ve|vg|vi|vn|vu|"
    "wf|ws|ye|yt|za|zm|zw"
)
"""The top-level domains of countries, without English words."""
WORDS: Final = "am|an|as|at|be|do|gay|how|id|in|is|it|me|my|no|now|one|so|to|today|us|you"
"""Domains that begin a sentence too; only recognized in small letters."""
